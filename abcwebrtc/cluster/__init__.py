"""Kubernetes: its API, the ConfigMap, restarts, NetworkPolicies, and manifests in files.

`api` asks, and `answers` says what a refusal means. `change` is one change of od.config in a
cluster, made of `configmap`, `ownership` and `restart`. Without a cluster work `network_policy`
and `manifests`, whose differences `masking` masks; `yaml` reads and writes for all of them.
"""
