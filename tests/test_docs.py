"""What the pages say can be typed: commands parse, code compiles, names and links exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest

import twinsdk
from twinsdk import cli

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def blocks(language):
    for page in PAGES:
        for number, (kind, text) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if kind == language:
                yield pytest.param(text, id=f"{page.name}-{number}")


def commands():
    for page in PAGES:
        for _, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            for line in text.splitlines():
                words = shlex.split(line.strip(), comments=True) if "twin" in line else []
                if words and words[0] in ("twinsdk", "twin-capture"):
                    yield pytest.param(words, id=f"{page.name}: {line.strip()[:60]}")


@pytest.mark.parametrize("words", list(commands()))
def test_commands_of_the_pages_parse(words, capsys):
    arguments = words[1:] if words[0] == "twinsdk" else ["capture", *words[1:]]
    try:
        cli.program().parse_args(arguments)
    except SystemExit as stop:
        pytest.fail(f"{' '.join(words)}: {capsys.readouterr().err}") if stop.code else None


@pytest.mark.parametrize("text", list(blocks("python")))
def test_code_of_the_pages_compiles_and_uses_names_that_exist(text):
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "tw":
            assert hasattr(twinsdk, node.attr), f"tw.{node.attr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
