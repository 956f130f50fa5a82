"""Small faults of a module's source, one at a time: the mutants of `mutants.py`.

Each mutant is the module's text with one expression or statement replaced, so that it can be read as a diff.
Docstrings, messages, type hints, logging and the texts of `__repr__` decide nothing and are not changed.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

COMPARED: dict[type[ast.cmpop], tuple[str, ...]] = {
    ast.Lt: ("<=", ">="),
    ast.LtE: ("<", ">"),
    ast.Gt: (">=", "<="),
    ast.GtE: (">", "<"),
    ast.Eq: ("!=",),
    ast.NotEq: ("==",),
    ast.Is: ("is not",),
    ast.IsNot: ("is",),
    ast.In: ("not in",),
    ast.NotIn: ("in",),
}
COMPUTED: dict[type[ast.operator], str] = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "*",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
    ast.LShift: ">>",
    ast.RShift: "<<",
}
PAIRS = (
    *(("min", "max"), ("minimum", "maximum"), ("argmin", "argmax"), ("nanmin", "nanmax"), ("first", "last")),
    *(("any", "all"), ("floor", "ceil"), ("head", "tail"), ("left", "right"), ("any_horizontal", "all_horizontal")),
    *(("min_horizontal", "max_horizontal"), ("cum_min", "cum_max"), ("forward", "backward")),
)
SWAPPED = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
"""Pairs of functions and of options with opposite directions or extremes."""
TOLD = {
    *("title", "summary", "description", "example", "examples", "openapi_examples", "json_schema_extra", "remedy"),
    *("help", "strict"),
}
"""Arguments that only people read, and `strict`, which only asserts."""
SAID = ("debug", "info", "warning", "warn", "exception", "critical", "log")
UNREAD = ("__repr__", "__str__")


@dataclass(frozen=True)
class Mutant:
    """A module with one fault: its place, the lines before and after, and the whole faulty text.

    `function` is the qualified name of the function or class around it, empty for a module's own lines.
    """

    file: str
    line: int
    function: str
    before: str
    after: str
    source: str


def mutants_of(file: str, source: str) -> list[Mutant]:
    """All mutants of a module in the order of its text, each text once; `file` is the module's name in them."""
    lines = source.splitlines(keepends=True)
    found: dict[str, Mutant] = {}
    for node, text, function in _Faults(source).found():
        first, last = node.lineno - 1, node.end_lineno
        # Columns of the tree count bytes.
        begun = lines[first].encode()[: node.col_offset].decode()
        rest = lines[last - 1].encode()[node.end_col_offset :].decode()
        source_now = "".join([*lines[:first], begun, text, rest, *lines[last:]])
        told = ("".join(lines[first:last]), begun + text + rest)
        before, after = ("\n".join(line.strip() for line in part.splitlines()) for part in told)
        found.setdefault(source_now, Mutant(file, node.lineno, function, before, after, source_now))
    return [one for text, one in found.items() if text != source]


class _Faults:
    """Walks a module and offers (node, other text, function) for each part that decides something."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.offered: list[tuple[ast.AST, str, str]] = []
        self.around: list[str] = []
        self.inside = False
        self.bound: set[str] = set()

    def found(self) -> Iterator[tuple[ast.AST, str, str]]:
        self.visit(ast.parse(self.source))
        yield from self.offered

    def offer(self, node: ast.AST, text: str) -> None:
        self.offered.append((node, text, ".".join(self.around)))

    def text(self, node: ast.AST) -> str:
        return ast.get_source_segment(self.source, node) or ast.unparse(node)

    def visit(self, node: ast.AST) -> None:
        mutate = getattr(self, type(node).__name__, None)
        below = mutate(node) if mutate else None
        for child in ast.iter_child_nodes(node) if below is None else below:
            self.visit(child)

    def ClassDef(self, node: ast.ClassDef) -> list[ast.AST]:  # noqa: N802 - these are named as the nodes are
        self.within(node.name, node.body, inside=self.inside)
        return []

    def FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.AST]:  # noqa: N802
        if node.name in UNREAD:
            return []
        outer, self.bound = self.bound, {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
        self.within(node.name, [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body], inside=True)
        self.bound = outer
        return []

    AsyncFunctionDef = FunctionDef

    def within(self, name: str, nodes: Iterable[ast.AST], *, inside: bool) -> None:
        """Visit a body; definitions inside a function get that function's name."""
        before, named = self.inside, [] if self.inside else [name]
        self.around += named
        self.inside = inside
        for node in nodes:
            self.visit(node)
        self.inside = before
        del self.around[len(self.around) - len(named) :]

    def Expr(self, node: ast.Expr) -> list[ast.AST] | None:  # noqa: N802
        """Docstrings get no fault. A call for its effect may be removed, unless it is a message for people."""
        if isinstance(node.value, ast.Constant) or (isinstance(node.value, ast.Call) and _name(node.value) in SAID):
            return []
        if isinstance(node.value, ast.Call):
            self.offer(node, "pass")
        return None

    def AnnAssign(self, node: ast.AnnAssign) -> list[ast.AST]:  # noqa: N802
        self.bound.add(self.text(node.target))
        return [node.value] if node.value else []

    def Assign(self, node: ast.Assign) -> list[ast.AST]:  # noqa: N802
        """Remove an assignment to a name only if the name was bound before: otherwise the name would be missing."""
        places = [self.text(target) for target in node.targets]
        if self.around and all(
            not isinstance(t, ast.Name | ast.Tuple) or self.text(t) in self.bound for t in node.targets
        ):
            self.offer(node, "pass")
        self.bound.update(places)
        return [
            node.value,
            *(part for t in node.targets for part in ast.iter_child_nodes(t) if not isinstance(t, ast.Name)),
        ]

    def AugAssign(self, node: ast.AugAssign) -> list[ast.AST]:  # noqa: N802
        self.offer(node, "pass")
        if type(node.op) in COMPUTED:
            self.offer(node, f"{self.text(node.target)} {COMPUTED[type(node.op)]}= {self.text(node.value)}")
        return [node.value]

    def Raise(self, node: ast.Raise) -> list[ast.AST]:  # noqa: N802
        self.offer(node, "pass")
        return []

    def Return(self, node: ast.Return) -> None:  # noqa: N802
        if node.value and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self.offer(node, "return None")

    def Continue(self, node: ast.Continue) -> None:  # noqa: N802
        self.offer(node, "break")

    def Break(self, node: ast.Break) -> None:  # noqa: N802
        self.offer(node, "continue")

    def If(self, node: ast.If | ast.IfExp | ast.While) -> list[ast.AST] | None:  # noqa: N802
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return []
        self.offer(node.test, f"(not ({self.text(node.test)}))")
        return None

    IfExp = While = If

    def comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.offer(test, f"(not ({self.text(test)}))")

    def Compare(self, node: ast.Compare) -> None:  # noqa: N802
        sides = [self.text(one) for one in (node.left, *node.comparators)]
        signs = [ast.unparse(ast.Compare(ast.Name("a"), [op], [ast.Name("b")]))[2:-2] for op in node.ops]
        for place, op in enumerate(node.ops):
            for other in COMPARED[type(op)]:
                signs_now = [*signs[:place], other, *signs[place + 1 :]]
                pairs = (f" {sign} {side}" for sign, side in zip(signs_now, sides[1:], strict=True))
                self.offer(node, sides[0] + "".join(pairs))

    def BinOp(self, node: ast.BinOp) -> None:  # noqa: N802
        texts = any(isinstance(one, ast.JoinedStr) or _is(one, str) for one in (node.left, node.right))
        if not texts and type(node.op) in COMPUTED:
            self.offer(node, f"{self.text(node.left)} {COMPUTED[type(node.op)]} {self._tight(node.right)}")

    def BoolOp(self, node: ast.BoolOp) -> None:  # noqa: N802
        word = " or " if isinstance(node.op, ast.And) else " and "
        self.offer(node, word.join(f"({self.text(one)})" for one in node.values))

    def UnaryOp(self, node: ast.UnaryOp) -> None:  # noqa: N802
        self.offer(node, self._tight(node.operand))

    def Constant(self, node: ast.Constant) -> None:  # noqa: N802
        value = node.value
        if isinstance(value, bool):
            self.offer(node, str(not value))
        elif isinstance(value, int | float):
            self.offer(node, repr(value + 1))
            self.offer(node, repr(value - 1) if value >= 1 else f"({value - 1!r})")
        elif isinstance(value, str) and value in SWAPPED:
            self.offer(node, f'"{SWAPPED[value]}"')

    def JoinedStr(self, _: ast.JoinedStr) -> list[ast.AST]:  # noqa: N802
        return []

    def Call(self, node: ast.Call) -> list[ast.AST]:  # noqa: N802
        if _name(node) in SWAPPED:
            function, own = self.text(node.func), _name(node)
            self.offer(node.func, function.removesuffix(own) + SWAPPED[own])
        read = [one for one in node.keywords if one.arg not in TOLD]
        return [node.func, *node.args, *read]

    def _tight(self, node: ast.AST) -> str:
        """A side of an operator, in parentheses if precedence demands them."""
        simple = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Subscript | ast.Constant)
        return self.text(node) if simple else f"({self.text(node)})"


def _name(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _is(node: ast.AST, kind: type) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, kind)
