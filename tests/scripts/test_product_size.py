"""Counting files, functions and layers of imports."""

from scripts.product_size import Function, functions_of, layers_of, report, without_drawings

CHAIN = {
    "filtering/stage.py": "from triptych.filtering.rules import R\nfrom triptych.filtering import config\n",
    "filtering/rules/__init__.py": "from triptych.filtering.rules.length import LENGTH\n",
    "filtering/rules/length.py": "def f():\n    from triptych.filtering.config import C\n    return C\n",
    "filtering/config.py": "import triptych.export.rows\n",
    "export/rows.py": "",
}


def test_layers_are_the_longest_chain_of_imports_within_a_folder() -> None:
    """Imports inside functions count; those of other folders don't."""
    assert (4, 4, []) == layers_of("filtering", CHAIN)
    assert 5 == layers_of("", CHAIN).depth


def test_modules_that_import_each_other_are_one_layer() -> None:
    """And they are named."""
    cycle = {"export/a.py": "import triptych.export.b", "export/b.py": "from triptych.export.a import x"}

    assert (1, 2, [["export.a", "export.b"]]) == layers_of("export", cycle)


def test_a_function_counts_from_its_def_to_its_end() -> None:
    """Including its docstring and nested functions."""
    source = '@cached\ndef f():\n    """Text."""\n\n    def g():\n        return 1\n\n    return g\n'

    assert [Function(7, "export/a.py f"), Function(2, "export/a.py g")] == functions_of(
        {"export/a.py": source}
    )


def test_the_shapes_that_the_demo_draws_do_not_count() -> None:
    """In all places where they have been."""
    sources = dict.fromkeys(
        ["triptych/demo/brush.py", "triptych/demo/drawings/brush.py", "triptych/api.py"], ""
    )

    assert ["triptych/api.py"] == list(without_drawings(sources))


def test_the_report_sets_states_side_by_side() -> None:
    """A row a folder and the total: files, lines, layers."""
    lines = list(report({"before": {"corpus/a.py": "x = 1\n"}, "after": CHAIN}))

    assert "| corpus | 1 | 1 | 1 |  | |  |" in lines
    assert "| filtering |  | |  | 4 | 7 | 4 |" in lines
    assert "| all | 1 | 1 | 1 | 5 | 7 | 5 |" in lines
