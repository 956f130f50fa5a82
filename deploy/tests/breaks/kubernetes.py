"""Faults of the manifests of Kubernetes, each with the one rule that must notice it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """A text of a file that is replaced, the overlay that is rendered, and the rule that is broken then."""

    rule: str
    overlay: str
    file: str
    old: str
    new: str
    count: int = -1
    """How often it is replaced, from the first place on; -1: everywhere."""

    @property
    def label(self) -> str:
        """A name for the test."""
        return f"{self.rule}-{self.overlay}-{' '.join(self.new.split())[:40] or 'removed'}"


LIVE, RETRAIN, ANALYSIS = "base/live/deployment.yaml", "base/retrain.yaml", "overlays/canary/analysis.yaml"
PROD, DEV, CANARY = (f"overlays/{name}/kustomization.yaml" for name in ("prod", "dev", "canary"))
ROUTE, WEIGHTS = "overlays/prod/route.yaml", "overlays/canary/weights.yaml"

PODS = [
    Edit("pods_run_as_the_user_of_the_image", "dev", LIVE, "runAsUser: 10001", "runAsUser: 0"),
    Edit("pods_run_as_the_user_of_the_image", "prod", RETRAIN, "runAsNonRoot: true", "runAsNonRoot: false"),
    Edit("pods_run_as_the_user_of_the_image", "canary", ANALYSIS, "        fsGroup: 10001\n", ""),
    Edit("pods_may_call_what_the_runtime_allows", "dev", RETRAIN, "type: RuntimeDefault", "type: Unconfined"),
    Edit("containers_have_no_rights_and_gain_none", "prod", LIVE, "drop: [ALL]", "drop: [NET_RAW]"),
    Edit(
        "containers_have_no_rights_and_gain_none",
        "dev",
        RETRAIN,
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
    ),
    Edit(
        "containers_cannot_change_their_root", "canary", ANALYSIS, "readOnlyRootFilesystem: true", "privileged: false"
    ),
    Edit(
        "only_two_places_can_be_written_and_they_have_a_size",
        "dev",
        LIVE,
        "emptyDir: { sizeLimit: 2Gi }",
        "emptyDir: {}",
    ),
    Edit(
        "only_two_places_can_be_written_and_they_have_a_size",
        "prod",
        RETRAIN,
        "- { name: tmp, mountPath: /tmp }",
        "- { name: tmp, mountPath: /etc }",
    ),
    Edit(
        "pods_share_nothing_with_their_machine",
        "dev",
        LIVE,
        "      enableServiceLinks: false",
        "      enableServiceLinks: false\n      hostNetwork: true",
    ),
    Edit(
        "nobody_holds_a_token_of_kubernetes",
        "dev",
        "base/service-account.yaml",
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: true",
    ),
    Edit("nobody_holds_a_token_of_kubernetes", "prod", RETRAIN, "          automountServiceAccountToken: false\n", ""),
    Edit("services_add_no_variables", "prod", LIVE, "      enableServiceLinks: false\n", ""),
    Edit(
        "secrets_are_named_and_never_written",
        "dev",
        DEV,
        "configMapGenerator:",
        "secretGenerator:\n  - name: power-nowcast\n    literals: [AWS_SECRET_ACCESS_KEY=1]\n    options: "
        "{ disableNameSuffixHash: true }\nconfigMapGenerator:",
    ),
    Edit(
        "secrets_are_named_and_never_written",
        "prod",
        PROD,
        "s3://power-nowcast-tables/tables",
        "s3://key:secret@power-nowcast-tables/tables",
    ),
    Edit("secrets_are_named_and_never_written", "canary", ANALYSIS, "name: canary, key", "name: power-nowcast, key"),
    Edit("settings_exist", "dev", DEV, "NOWCAST_OWNER", "NOWCAST_OWNED"),
    Edit(
        "changed_settings_make_new_pods",
        "prod",
        PROD,
        "    behavior: merge\n",
        "    behavior: merge\n    options: { disableNameSuffixHash: true }\n",
    ),
    Edit("containers_run_commands_of_the_product", "dev", LIVE, "args: [live]", "args: [alive]"),
    Edit("images_are_of_one_version", "prod", PROD, "newTag: 0.1.0", "newTag: latest"),
    Edit("containers_say_what_they_need", "dev", LIVE, "limits: { memory: 1Gi,", "limits: { cpu: 500m, memory: 1Gi,"),
    Edit(
        "containers_say_what_they_need",
        "prod",
        RETRAIN,
        'requests: { cpu: "1", memory: 3Gi,',
        'requests: { cpu: "1", memory: 1Gi,',
    ),
    Edit("memory_fits_what_was_measured", "dev", LIVE, "memory: 1Gi", "memory: 512Mi"),
    Edit("memory_fits_what_was_measured", "prod", RETRAIN, "memory: 3Gi", "memory: 32Gi"),
]

SERVICE = [
    Edit("the_service_is_asked_on_its_own_routes", "dev", LIVE, "/readyz?exclude=data", "/readyz"),
    Edit("the_service_is_asked_on_its_own_routes", "prod", LIVE, "path: /healthz", "path: /health", 1),
    Edit("a_slow_pod_is_not_started_again", "dev", LIVE, "failureThreshold: 300", "failureThreshold: 30"),
    Edit("a_slow_pod_is_not_started_again", "prod", LIVE, "failureThreshold: 6", "failureThreshold: 1"),
    Edit("the_service_drains_before_it_ends", "dev", LIVE, "seconds: 5\n", "seconds: 1\n"),
    Edit(
        "the_service_drains_before_it_ends",
        "prod",
        LIVE,
        "terminationGracePeriodSeconds: 30",
        "terminationGracePeriodSeconds: 10",
    ),
    Edit("a_rollout_takes_no_pod_before_it_gives_one", "prod", LIVE, "maxUnavailable: 0", "maxUnavailable: 1"),
    Edit("there_are_as_many_pods_as_there_should_be", "prod", LIVE, "replicas: 2", "replicas: 1"),
    Edit("there_are_as_many_pods_as_there_should_be", "dev", DEV, "count: 1", "count: 2"),
    Edit(
        "pods_stand_on_different_machines_and_zones",
        "prod",
        LIVE,
        "topologyKey: topology.kubernetes.io/zone",
        "topologyKey: topology.kubernetes.io/region",
    ),
    Edit(
        "a_drain_takes_one_pod_at_a_time",
        "dev",
        "base/disruption-budget.yaml",
        "  maxUnavailable: 1",
        "  minAvailable: 1",
    ),
    Edit("a_drain_takes_one_pod_at_a_time", "canary", "base/disruption-budget.yaml", "      track: stable\n", ""),
    Edit("each_service_finds_the_pods_of_its_own", "canary", "base/service.yaml", "    track: stable\n", ""),
    Edit("each_service_finds_the_pods_of_its_own", "prod", "base/service.yaml", "targetPort: http", "targetPort: web"),
    Edit("the_service_listens_to_other_pods", "dev", LIVE, "value: 0.0.0.0", "value: 127.0.0.1"),
    Edit("what_must_outlive_a_pod_lies_in_s3", "prod", PROD, "s3://power-nowcast-tables/tables", "/data/tables"),
    Edit("readers_bring_a_key", "prod", PROD, "NOWCAST_API_KEYS=all", "NOWCAST_API_KEYS=admin"),
    Edit("retraining_ends_in_the_promotion_gate", "prod", RETRAIN, "args: [run]", "args: [train]"),
    Edit("retraining_is_alone_and_ends", "dev", RETRAIN, "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow"),
    Edit("retraining_is_alone_and_ends", "prod", RETRAIN, "      activeDeadlineSeconds: 14400\n", ""),
    Edit("retraining_is_alone_and_ends", "prod", RETRAIN, "  timeZone: Etc/UTC\n", ""),
]

NETWORK = [
    Edit(
        "by_default_nothing_comes_in_or_goes_out", "dev", "base/network/default-deny.yaml", "Ingress, Egress", "Egress"
    ),
    Edit(
        "pods_go_out_to_named_places_only",
        "prod",
        "base/network/internet.yaml",
        "- { protocol: TCP, port: 443 }",
        "- { protocol: TCP, port: 443 }\n        - { protocol: TCP, port: 25 }",
    ),
    Edit(
        "pods_go_out_to_named_places_only",
        "dev",
        "base/network/names.yaml",
        "          podSelector:\n            matchLabels:\n              k8s-app: kube-dns\n",
        "",
    ),
    Edit(
        "pods_go_out_to_named_places_only",
        "canary",
        "base/network/internet.yaml",
        "[live, retrain]",
        "[live, retrain, analysis]",
    ),
    Edit(
        "only_those_who_should_ask_come_in",
        "prod",
        "overlays/prod/gateway.yaml",
        "kubernetes.io/metadata.name: gateway",
        "kubernetes.io/metadata.name: default",
    ),
    Edit(
        "only_those_who_should_ask_come_in",
        "dev",
        "base/network/metrics.yaml",
        "      app.kubernetes.io/component: live\n  policyTypes",
        "      app.kubernetes.io/name: power-nowcast\n  policyTypes",
    ),
    Edit("the_internet_is_not_the_cluster", "dev", "base/network/internet.yaml", "169.254.0.0/16, ", ""),
    Edit(
        "mlflow_answers_to_the_name_by_which_it_is_asked",
        "prod",
        "base/settings.env",
        "mlflow.mlflow.svc.cluster.local",
        "mlflow.mlflow.svc.other.domain",
    ),
    Edit("everything_is_in_the_namespace", "dev", DEV, "namespace: power-nowcast-dev", "namespace: default"),
    Edit(
        "the_namespace_refuses_pods_with_more_rights",
        "prod",
        "base/namespace.yaml",
        "enforce: restricted",
        "enforce: baseline",
    ),
]

GATEWAY = [
    Edit("nobody_comes_in_from_outside", "dev", "base/service.yaml", "spec:\n", "spec:\n  type: LoadBalancer\n"),
    Edit("the_route_leads_from_the_gateway_to_all_services", "prod", ROUTE, "namespace: gateway", "namespace: other"),
    Edit(
        "the_route_leads_from_the_gateway_to_all_services",
        "canary",
        WEIGHTS,
        "port: 8000, weight: 10 }",
        "port: 80, weight: 10 }",
    ),
    Edit("requests_are_shared_by_weight", "canary", WEIGHTS, "weight: 10 }", "weight: 90 }", 1),
    Edit("requests_are_shared_by_weight", "prod", ROUTE, ", weight: 100", "", 1),
    Edit("streams_last_as_long_as_their_reader_wants", "prod", ROUTE, "      timeouts: { request: 0s }\n", ""),
    Edit(
        "the_canary_differs_by_its_image_only",
        "canary",
        "overlays/canary/live/kustomization.yaml",
        "newTag: 0.2.0",
        "newTag: 0.1.0",
    ),
    Edit(
        "the_canary_differs_by_its_image_only",
        "canary",
        "overlays/canary/live/kustomization.yaml",
        "nameSuffix: -canary\n",
        'nameSuffix: -canary\ncommonAnnotations: { canary: "yes" }\n',
    ),
    Edit("the_canary_is_one_pod", "canary", "overlays/canary/live/kustomization.yaml", "count: 1", "count: 2"),
    Edit(
        "the_analysis_compares_the_two_services",
        "canary",
        ANALYSIS,
        "http://power-nowcast-canary:8000",
        "http://power-nowcast:8000",
    ),
    Edit("the_analysis_judges_once_and_ends", "canary", ANALYSIS, "backoffLimit: 0", "backoffLimit: 3"),
    Edit(
        "the_analysis_judges_once_and_ends",
        "canary",
        ANALYSIS,
        "activeDeadlineSeconds: 7200",
        "activeDeadlineSeconds: 3600",
    ),
    Edit("the_judge_is_not_the_judged", "canary", CANARY, "newTag: 0.1.0", "newTag: 0.2.0"),
]

BREAKS = [*PODS, *SERVICE, *NETWORK, *GATEWAY]
