"""Kubernetes: its API, the ConfigMap, restarts, NetworkPolicies, and manifests in files.

`api` sends requests, and `answers` says what a refusal means. `change` is one change of od.config
in a cluster, built from `configmap`, `ownership` and `restart`. `network_policy` and `manifests`
need no cluster; `masking` hides the secrets in a diff of manifests. `yaml` reads and writes YAML
for all of them.
"""
