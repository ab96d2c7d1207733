"""Attempts at another tenant: each gives an id of theirs where the schema takes one, and beside it one of nothing."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tests.client import Json
from tests.security.places import ROOTS, Place, connections, field_of, id_places, node_query, operation
from tests.security.wire import Document, Reply, ids_in
from tests.security.world import World, prefix_of, unknown_like

# Inputs for ids of what nothing can make yet, by the name of the type that would be found by such an id.
NOTHING_YET = {
    "RunFilter.workflowId": "Workflow",
    "AgentConfigInput.memoryBankId": "MemoryBank",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """The same operation twice, with ids of the other tenant and with ids of nothing in their places."""

    where: str
    theirs: Document
    nothing: Document
    replaced: dict[str, str]

    @classmethod
    def at(cls, where: str, text: str, variables: Json, secrets: set[str]) -> "Attempt":
        written = json.dumps(variables)
        replaced = {id: unknown_like(id) for id in ids_in(written) & secrets}
        assert replaced, f"{where}: nothing of the other tenant is given"
        theirs = Document(text, variables)
        return cls(where, theirs, Document(text, json.loads(_replace(written, replaced))), replaced)

    @property
    def is_stream(self) -> bool:
        return self.theirs.text.startswith("subscription")

    def differences(self, theirs: Reply, nothing: Reply) -> list[str]:
        """The two answers, unless they are the same but for the ids that were sent."""
        if _replace(theirs.text, self.replaced) == nothing.text:
            return []
        return [f"{self.where}: {theirs.text} but for nothing {nothing.text}"]


def _replace(text: str, replaced: dict[str, str]) -> str:
    for old, new in replaced.items():
        text = text.replace(old, new)
    return text


def tried_places() -> list[Place]:
    return [place for place in id_places() if place.input_name not in NOTHING_YET]


def reading_places() -> list[Place]:
    return [place for place in tried_places() if place.type_name != "Mutation"]


def mutations_with_ids() -> list[str]:
    return list(dict.fromkeys(place.field for place in tried_places() if place.type_name == "Mutation"))


def attempts(world: World) -> list[Attempt]:
    """Everything that whoever owns ada's workspace can try at bob's."""
    return [*_reads(world), *_mutations(world)]


def _reads(world: World) -> Iterator[Attempt]:
    """Every kind of id in every place of queries and subscriptions."""
    for place in reading_places():
        for ids in world.of_bob.ids.values():
            for id in [id for id in ids if id in world.secrets][:1]:
                yield read(world, place, id)
    for id in sorted(world.secrets):
        name = world.of_bob.type_names.get(prefix_of(id))
        if name:
            yield Attempt.at(f"node, all of {name}", node_query(name), {"id": id}, world.secrets)


def read(world: World, place: Place, id: str, of: str = "ada") -> Attempt:
    """An id of bob's in a place that reads; of an object of ada's, where it is no root's."""
    variables = place.given(id)
    if place.type_name not in ROOTS:
        known = world.of_ada if of == "ada" else world.of_bob
        variables["parent"] = known.named(place.type_name)[0]
    text = operation(place.type_name, place.field)
    return Attempt.at(f"{place} with {prefix_of(id)}", text, variables, world.secrets)


def _mutations(world: World) -> Iterator[Attempt]:
    """Every mutation as bob would send it, and as ada would, with a single id of bob's in it."""
    for name in mutations_with_ids():
        yield Attempt.at(name, operation("Mutation", name), {"input": world.bob.inputs[name]}, world.secrets)
    for place in tried_places():
        if place.type_name == "Mutation":
            id = place.found({"input": world.bob.inputs[place.field]})
            assert id, f"{place}: the example of {place.field} gives none"
            # Without the key that ada has used before: it would be answered for already.
            own = {name: value for name, value in world.ada.inputs[place.field].items() if name != "idempotencyKey"}
            variables = place.given(id, {"input": own})
            yield Attempt.at(str(place), operation("Mutation", place.field), variables, world.secrets)


def pages_at_cursors(world: World) -> list[Document]:
    """Every list of ada's, from every cursor of such a list of bob's."""
    documents = []
    for type_name, name in connections():
        field = field_of(type_name, name)
        for cursor in sorted(world.of_bob.cursors.get(str(field.type).strip("!"), set())):
            documents += [
                Document(operation(type_name, name), {"parent": world.of_ada.named(type_name)[0], argument: cursor})
                for argument in ("after", "before")
                if argument in field.args
            ]
    return documents
