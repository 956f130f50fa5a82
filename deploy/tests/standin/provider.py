"""Serve the schema as a Terraform provider (plugin protocol 6) on a free port of the loopback interface.

Terraform attaches to it by TF_REATTACH_PROVIDERS, so one process serves every run. It plans as a provider does that has
nothing to refuse: what is configured is planned, and default tags are merged into `tags_all`. A text that only AWS
knows, such as an ID, is planned under a name made of the resource's kind and name; so a plan shows what is joined to
what. It checks no values (enumerations, conflicts of arguments), and data sources answer from `answers.json`.
"""

import hashlib
import json
import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import msgpack
from tf.gen import tfplugin_pb2 as protocol
from tf.gen import tfplugin_pb2_grpc as services

NESTING = protocol.Schema.NestedBlock.NestingMode
UNKNOWN = msgpack.ExtType(0, b"\x00")
ANSWERS = Path(__file__).with_name("answers.json")
PROVIDER = {
    "attributes": {"region": {"type": "string", "optional": True}},
    "block_types": {
        "default_tags": {
            "nesting_mode": "list",
            "max_items": 1,
            "block": {"attributes": {"tags": {"type": ["map", "string"], "optional": True}}, "block_types": {}},
        }
    },
}

type Schema = dict[str, Any]


def _type(attribute: Schema) -> object:
    if "nested" not in attribute:
        return attribute["type"]
    kind = ["object", _object(attribute["nested"]["block"])]
    nesting = attribute["nested"]["nesting_mode"]
    return kind if nesting == "single" else [nesting, kind]


def _object(block: Schema) -> dict[str, object]:
    types = {name: _type(attribute) for name, attribute in block["attributes"].items()}
    return types | {name: _type({"nested": nested}) for name, nested in block["block_types"].items()}


def _block(block: Schema) -> protocol.Schema.Block:
    return protocol.Schema.Block(
        attributes=[
            protocol.Schema.Attribute(
                name=name,
                type=json.dumps(_type(told)).encode(),
                required=told.get("required", False),
                optional=told.get("optional", False),
                computed=told.get("computed", False),
            )
            for name, told in sorted(block["attributes"].items())
        ],
        block_types=[
            protocol.Schema.NestedBlock(
                type_name=name,
                nesting=NESTING.Value(told["nesting_mode"].upper()),
                block=_block(told["block"]),
                min_items=told.get("min_items", 0),
                max_items=told.get("max_items", 0),
            )
            for name, told in sorted(block["block_types"].items())
        ],
    )


def _schema(block: Schema) -> protocol.Schema:
    return protocol.Schema(version=0, block=_block(block))


def _value(packed: protocol.DynamicValue) -> Any:
    if packed.msgpack:
        return msgpack.unpackb(packed.msgpack, raw=False, strict_map_key=False, ext_hook=msgpack.ExtType)
    return json.loads(packed.json or b"null")


def _packed(value: object) -> protocol.DynamicValue:
    return protocol.DynamicValue(msgpack=msgpack.packb(value))


def _name(planned: dict[str, Any]) -> str:
    """The resource's name by its tag, or else a digest of what is configured."""
    configured = hashlib.sha256(repr(sorted(planned.items())).encode()).hexdigest()
    return (planned.get("tags") or {}).get("Name") or configured[:12]


class Provider(services.ProviderServicer):
    """The provider's calls, named by the protocol. Each connection of Terraform has default tags of its own."""

    def __init__(self, kinds: dict[str, Schema], answers: dict[str, Schema]) -> None:
        self._kinds, self._answers = kinds, answers
        self._tags = dict[str, dict[str, str]]()
        data = {kind.removeprefix("data."): _schema(told) for kind, told in kinds.items() if kind.startswith("data.")}
        self._schema = protocol.GetProviderSchema.Response(
            provider=_schema(PROVIDER),
            resource_schemas={kind: _schema(told) for kind, told in kinds.items() if not kind.startswith("data.")},
            data_source_schemas=data,
        )

    def GetProviderSchema(self, request, context):
        return self._schema

    def GetMetadata(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the schema tells all")

    def GetResourceIdentitySchemas(self, request, context):
        return protocol.GetResourceIdentitySchemas.Response()

    def ValidateProviderConfig(self, request, context):
        return protocol.ValidateProviderConfig.Response()

    def ValidateResourceConfig(self, request, context):
        return protocol.ValidateResourceConfig.Response()

    def ValidateDataResourceConfig(self, request, context):
        return protocol.ValidateDataResourceConfig.Response()

    def ConfigureProvider(self, request, context):
        blocks = _value(request.config).get("default_tags") or [{}]
        self._tags[context.peer()] = blocks[0].get("tags") or {}
        return protocol.ConfigureProvider.Response()

    def StopProvider(self, request, context):
        return protocol.StopProvider.Response()

    def PlanResourceChange(self, request, context):
        planned = _value(request.proposed_new_state)
        if planned is None:
            return protocol.PlanResourceChange.Response(planned_state=request.proposed_new_state)
        attributes = self._kinds[request.type_name]["attributes"]
        label = f"{request.type_name}.{_name(planned)}"
        if "tags_all" in attributes:
            planned["tags_all"] = self._tags.get(context.peer(), {}) | (planned["tags"] or {})
        for name, told in attributes.items():
            if told.get("computed") and planned.get(name) is None:
                planned[name] = f"{label}.{name}" if told.get("type") == "string" else UNKNOWN
        return protocol.PlanResourceChange.Response(planned_state=_packed(planned), legacy_type_system=True)

    def ReadDataSource(self, request, context):
        kind = f"data.{request.type_name}"
        state = _value(request.config)
        for name, told in self._kinds[kind]["attributes"].items():
            if state.get(name) is None and told.get("type") == "string":
                state[name] = f"{request.type_name}-{name}"
        return protocol.ReadDataSource.Response(state=_packed(state | self._answers.get(request.type_name, {})))


def main(schema: Path) -> None:
    """Serve until the standard input ends, which it does with the process that started this one."""
    served = Provider(json.loads(schema.read_text())["kinds"], json.loads(ANSWERS.read_text()))
    server = grpc.server(futures.ThreadPoolExecutor(8))
    services.add_ProviderServicer_to_server(served, server)
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()
    server.stop(grace=None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
