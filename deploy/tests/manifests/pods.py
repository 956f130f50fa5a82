"""All pods: rights, files, secrets, sizes."""

import re
from collections.abc import Iterator
from pathlib import Path

from manifests.rendered import Pods, Rendered, address, rule

PACKAGE = Path(__file__).parents[3] / "src/power_nowcast"
USER = 10001
"""The user of the image."""
MOUNTS = {"/var/lib/power-nowcast", "/tmp"}  # noqa: S108 - the places of the image that may be written
SECRETS = {"live": ["power-nowcast"], "retrain": ["power-nowcast"], "analysis": ["canary"]}
"""Secrets that pods read, by component."""
OTHERS = {"AWS_REGION", "NOWCAST_KEY"}
"""Variables that S3's client and `nowcast canary` read."""
SECRET_WORDS = ("PASSWORD", "SECRET", "TOKEN", "_KEY", "CREDENTIAL")
IMAGE = re.compile(r"registry\.example/power-nowcast(:\d+\.\d+\.\d+|@sha256:[0-9a-f]{64})")
MEASURED_MIB = {"live": 546, "analysis": 218}
"""Memory of the service (docs/live.md, New York), and the most that `nowcast canary` took."""
TRIED_MIB = {"retrain": 3072}
"""A limit of memory under which the main job of the sample has run to its end in a container."""


@rule()
def pods_run_as_the_user_of_the_image(rendered: Rendered) -> Iterator[str]:
    wanted = {"runAsNonRoot": True, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER}
    for one in rendered.pods():
        told = one.spec.get("securityContext", {})
        if {key: told.get(key) for key in wanted} != wanted or _context(one).keys() & wanted.keys():
            yield f"{one.owner}: {told}"


@rule()
def pods_may_call_what_the_runtime_allows(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        told = one.spec.get("securityContext", {}).get("seccompProfile")
        if told != {"type": "RuntimeDefault"} or "seccompProfile" in _context(one):
            yield f"{one.owner} has the seccomp profile {told}"


@rule()
def containers_have_no_rights_and_gain_none(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        told = _context(one)
        if told.get("capabilities") != {"drop": ["ALL"]}:
            yield f"{one.owner} has the capabilities {told.get('capabilities')}"
        if told.get("allowPrivilegeEscalation") is not False or told.get("privileged"):
            yield f"{one.owner} may gain rights"


@rule()
def containers_cannot_change_their_root(rendered: Rendered) -> Iterator[str]:
    yield from (f"{one.owner} can" for one in rendered.pods() if not _context(one).get("readOnlyRootFilesystem"))


@rule()
def only_two_places_can_be_written_and_they_have_a_size(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        mounts = {each["name"]: each["mountPath"] for each in one.container.get("volumeMounts", [])}
        if set(mounts.values()) != MOUNTS:
            yield f"{one.owner} mounts {mounts}"
        for volume in one.spec.get("volumes", []):
            if not (volume.get("emptyDir") or {}).get("sizeLimit"):
                yield f"{one.owner}: the volume {volume['name']} has no size, or is none of its own"


@rule()
def pods_share_nothing_with_their_machine(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        yield from (f"{one.owner}: {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if one.spec.get(key))
        ports = one.container.get("ports", [])
        yield from (f"{one.owner}: port {each['hostPort']} of the machine" for each in ports if each.get("hostPort"))


@rule()
def nobody_holds_a_token_of_kubernetes(rendered: Rendered) -> Iterator[str]:
    """Accounts without a token, for pods that ask Kubernetes nothing; so there are no roles either."""
    for account in rendered.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{address(account)} gives a token"
    for one in rendered.pods():
        if one.spec.get("automountServiceAccountToken") is not False:
            yield f"{one.owner} mounts a token"
        if one.spec.get("serviceAccountName") != "power-nowcast":
            yield f"{one.owner} has the account {one.spec.get('serviceAccountName')}"
    yield from (
        f"{address(one)} gives rights"
        for one in rendered.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    )


@rule()
def services_add_no_variables(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        if one.spec.get("enableServiceLinks") is not False:
            yield f"{one.owner}: a service called mlflow would set MLFLOW_PORT"


@rule()
def secrets_are_named_and_never_written(rendered: Rendered) -> Iterator[str]:
    yield from (f"{address(one)} is written" for one in rendered.of("Secret"))
    for one in rendered.pods():
        container = one.container
        told = container.get("env", [])
        named = [each["secretRef"]["name"] for each in container.get("envFrom", []) if "secretRef" in each]
        named += [each["valueFrom"]["secretKeyRef"]["name"] for each in told if "valueFrom" in each]
        if named != SECRETS[one.component]:
            yield f"{one.owner} reads the secrets {named}"
        yield from (
            f"{one.owner}: {each['name']} is written" for each in told if "value" in each and _secret(each["name"])
        )
    for name, value in rendered.settings.items():
        if _secret(name) or re.search(r"://[^/]*@", value):
            yield f"the settings have {name}"


@rule()
def settings_exist(rendered: Rendered) -> Iterator[str]:
    """A misspelt setting would be ignored without a word."""
    document = (PACKAGE.parents[1] / "docs/data.md").read_text()
    names = {*rendered.settings, *(each["name"] for one in rendered.pods() for each in one.container.get("env", []))}
    known = {name for name in names if f"`{name}`" in document} | OTHERS
    yield from (f"there is no setting {name}" for name in sorted(names - known))
    for one in rendered.pods("live", "retrain"):
        maps = [each["configMapRef"]["name"] for each in one.container["envFrom"] if "configMapRef" in each]
        if maps != [each["metadata"]["name"] for each in rendered.of("ConfigMap")]:
            yield f"{one.owner} reads {maps}"


@rule()
def changed_settings_make_new_pods(rendered: Rendered) -> Iterator[str]:
    for one in rendered.of("ConfigMap"):
        if not re.fullmatch(r"settings-[a-z0-9]{10}", one["metadata"]["name"]):
            yield f"{address(one)} keeps its name when it changes"


@rule()
def containers_run_commands_of_the_product(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        container = one.container
        if container.get("command"):
            yield f"{one.owner} replaces the entry point of the image"
        elif not (PACKAGE / f"cli/{(container.get('args') or ['none'])[0]}.py").exists():
            yield f"{one.owner} runs {container.get('args')}"


@rule()
def images_are_of_one_version(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        image = one.container["image"]
        if not IMAGE.fullmatch(image):
            yield f"{one.owner} has the image {image}"


@rule()
def containers_say_what_they_need(rendered: Rendered) -> Iterator[str]:
    """Without a limit of the processor, which would slow down each nowcast; the request is what a pod is sure of."""
    for one in rendered.pods():
        told = one.container.get("resources", {})
        asked, most = told.get("requests", {}), told.get("limits", {})
        if asked.keys() != {"cpu", "memory", "ephemeral-storage"} or most.keys() != {"memory", "ephemeral-storage"}:
            yield f"{one.owner} asks for {sorted(asked)}, at most {sorted(most)}"
        elif asked["memory"] != most["memory"]:
            yield f"{one.owner} may be promised less memory than it may use"


@rule()
def memory_fits_what_was_measured(rendered: Rendered) -> Iterator[str]:
    for one in rendered.pods():
        most = mebibytes(one.container.get("resources", {}).get("limits", {}).get("memory", "0Mi"))
        measured, tried = MEASURED_MIB.get(one.component), TRIED_MIB.get(one.component)
        if measured is not None and not 1.25 * measured <= most <= 2.5 * measured:
            yield f"{one.owner} has {most} MiB, and {measured} were measured"
        if tried is not None and most != tried:
            yield f"{one.owner} has {most} MiB, and {tried} were tried"


def mebibytes(text: str) -> int:
    """MiB of a quantity such as 512Mi or 3Gi."""
    return int(text[:-2]) * {"Mi": 1, "Gi": 1024}[text[-2:]]


def _context(one: Pods) -> dict[str, object]:
    return dict(one.container.get("securityContext", {}))


def _secret(name: str) -> bool:
    return name != "NOWCAST_API_KEYS" and any(word in name for word in SECRET_WORDS)
