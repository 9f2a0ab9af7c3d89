"""Kubernetes: its API, the ConfigMap, restarts, NetworkPolicies, and manifests in files."""
