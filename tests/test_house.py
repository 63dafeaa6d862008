"""The limits of the house: lengths of functions and files, modules at the top, no import circle."""

import ast
import pathlib
import textwrap

from tests.test_imports import imported_modules

ROOT = pathlib.Path(__file__).parents[1]
ROOMS = ("bnn", "launch", "experiments")
FILES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FUNCTION_LINES = 70  # docstring included, decorators not
FILE_LINES = 350
TOP_MODULES = 14
STUDY_LINES = 1_000  # of each study in the mean, with its part of what all share


def functions(source):
    """(name, lines) of all functions of a source, inner ones and methods too."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = (node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds))
    return [(node.name, node.end_lineno - node.lineno + 1) for node in nodes]


def lines(path):
    return len(path.read_text().splitlines())


def test_no_function_is_long():
    found = {
        f"{path.relative_to(ROOT)}:{name}": count
        for path in FILES
        for name, count in functions(path.read_text())
        if count > FUNCTION_LINES
    }
    assert not found, f"longer than {FUNCTION_LINES} lines; split them: {found}"


def long_files(paths):
    """Lines by path, of those that are too long."""
    return {str(path): lines(path) for path in paths if lines(path) > FILE_LINES}


def test_no_file_is_long():
    found = long_files(FILES + TESTS)
    assert not found, f"longer than {FILE_LINES} lines; split them: {found}"


def test_few_modules_stand_at_the_top():
    modules = sorted(path.name for path in (ROOT / "bnn").glob("*.py"))
    assert len(modules) <= TOP_MODULES, f"put some into a room: {modules}"


def test_the_studies_stay_small():
    studies = list((ROOT / "experiments").glob("*/run.py"))
    total = sum(map(lines, (ROOT / "experiments").rglob("*.py")))
    limit = STUDY_LINES * len(studies)
    assert total <= limit, f"{total} lines; share what the studies have in common"


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(sources):
    """The modules that each module names in what runs at its import; sources by module's name,
    with whether it is a package. A package that is imported only because one of its modules is
    named is no edge: nothing of it is asked for.
    """
    graph = {}
    for module, (source, is_package) in sources.items():
        graph[module] = set()
        for name in imported_modules(at_import(source), module, is_package):
            while name and name not in sources:
                name = name.rpartition(".")[0]
            if name and name != module:
                graph[module].add(name)
    return graph


def at_import(source):
    """The source without what runs later or for type checkers only: functions and such branches."""
    tree = ast.parse(source)

    class Later(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return ast.Pass()

        visit_AsyncFunctionDef = visit_FunctionDef

        def visit_If(self, node):
            if ast.unparse(node.test).endswith("TYPE_CHECKING"):
                return ast.Pass()
            return self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Later().visit(tree)))


def circle(graph):
    """Modules of one circle, in order, or an empty list."""
    done, path = set(), []

    def visit(module):
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        path.append(module)
        for name in sorted(graph[module]):
            if found := visit(name):
                return found
        path.pop()
        done.add(module)
        return []

    return next((found for module in sorted(graph) if (found := visit(module))), [])


def test_no_import_goes_in_a_circle():
    sources = {module_name(p): (p.read_text(), p.name == "__init__.py") for p in FILES}
    found = circle(import_graph(sources))
    assert not found, " → ".join(found)


def test_a_long_file_is_seen(tmp_path):
    for count in (FILE_LINES, FILE_LINES + 1):
        (tmp_path / f"{count}.py").write_text("x = 1\n" * count)
    found = long_files(sorted(tmp_path.iterdir()))
    assert found == {str(tmp_path / f"{FILE_LINES + 1}.py"): FILE_LINES + 1}
    assert pathlib.Path(__file__) in TESTS


def test_what_is_too_much_is_seen():
    body = "\n".join(f"    x = {i}" for i in range(FUNCTION_LINES))
    source = "class A:\n" + textwrap.indent(f"@b\ndef f():\n{body}\n", "    ")
    assert functions(source) == [("f", FUNCTION_LINES + 1)]
    three = {"a": ("import b", False), "b": ("from c import d", False), "c": ("import a", False)}
    assert circle(import_graph(three)) == ["a", "b", "c", "a"]
    inside = {"p": ("from p.a import x", True), "p.a": ("from p import b", False)}
    inside["p.b"] = ("from p.a import x", False)
    assert circle(import_graph(inside)) == ["p.a", "p.b", "p.a"]
    late = {"a": ("import b", False), "b": ("def f():\n    import a", False)}
    assert circle(import_graph(late)) == []
