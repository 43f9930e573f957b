"""The code blocks of a document: found as its readers see them, by docutils, and run.

Nothing that is shown as code is passed over: a block whose language is not said, or not known here, is an error.
"""

import ast
import configparser
import doctest
import gc
import io
import os
import re
import shlex
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional

from docutils import nodes
from servers.software import PACKAGES

ROOT = Path(__file__).resolve().parent.parent
PYTHON = str(Path(sys.executable).parent)


class Block(NamedTuple):
    """A code block.

    Attributes:
        language: what it is in; empty where that is not said.
        text: without its indentation.
        path, line: where it begins.
        alone: whether it shares nothing with the blocks before it (``:class: alone``).
    """

    language: str
    text: str
    path: str
    line: int
    alone: bool = False

    @property
    def where(self) -> str:
        """Its place, as compilers write it."""
        return f"{self.path}:{self.line}"


def blocks(document: nodes.document) -> Iterator[Block]:
    """Yield the code blocks of a document that docutils or Sphinx has read."""
    last = ("", 0)
    for node in document.findall(lambda node: isinstance(node, (nodes.literal_block, nodes.doctest_block))):
        source, _, docstring = str(node.source or document["source"]).partition(":docstring of")
        line = _line(Path(source), node.astext(), last[1] if source == last[0] else 0)
        last = (source, line)
        yield Block(_language(node, bool(docstring)), node.astext(), source, line, "alone" in node["classes"])


def _language(node: nodes.FixedTextElement, docstring: bool) -> str:
    if node.get("language", "default") != "default":  # Sphinx
        return str(node["language"])
    if "code" in node["classes"]:  # docutils
        return " ".join(name for name in node["classes"] if name not in ("code", "alone"))
    return "python" if docstring and isinstance(node, nodes.literal_block) else ""


def _line(path: Path, text: str, after: int) -> int:
    """Return the number of the line at which a text begins in a file, whatever it is indented by."""
    wanted = [line.strip() for line in text.splitlines()]
    lines = [line.strip() for line in path.read_text().splitlines()]
    return next((at + 1 for at in range(after, len(lines)) if lines[at : at + len(wanted)] == wanted), 1)


class Runner:
    """Runs the blocks of one document, in their order.

    Args:
        folder: where commands run, and files go that blocks name.

    Attributes:
        folder: the same.
        stand_ins: what stands for what is in the text, in this order; a function is called where the text has it.
        names: what Python blocks find defined.
        languages: what runs a block in a language; more may be added.
        answer: what programs are told that ask: a password.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stand_ins: list[tuple[str, Any]] = []
        self.names: dict[str, Any] = {}
        self.languages: dict[str, Callable[[Block], None]] = {
            "python": self._python,
            "sh": self._sh,
            "console": self._console,
        }
        self.answer = ""
        self._shared: Optional[dict[str, Any]] = None

    def run(self, block: Block) -> None:
        """Run a block; AssertionError where it does not what it says, or whatever it raises."""
        assert block.language, f"{block.where}: the block does not say which language it is in"
        assert block.language in self.languages, f"{block.where}: nothing here runs {block.language}"
        self.languages[block.language](block._replace(text=self.replaced(block.text)))

    def replaced(self, text: str) -> str:
        """Return a text with what stands for its parts here."""
        for part, stand_in in self.stand_ins:
            if part in text:
                text = text.replace(part, stand_in() if callable(stand_in) else stand_in)
        return text

    def forget(self) -> None:
        """Let go of all that the blocks have made.

        Functions of the blocks refer to their names, and transports to such functions. The garbage collector would end
        the sockets of such a cycle before the pool that closes them.
        """
        (self._shared or {}).clear()
        self._shared = None
        gc.collect()

    # -- Python -------------------------------------------------------------------------------------------------------

    def _python(self, block: Block) -> None:
        named = re.match(r"# ([\w/]+\.py)\n", block.text)
        tree = ast.parse(block.text, block.path)
        if any(isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in ast.walk(tree)):
            name = named.group(1) if named else f"test_line_{block.line}.py"
            (self.folder / name).write_text(block.text)
            return self._pytest(name, block)
        if named:  # for the blocks after it
            (self.folder / named.group(1)).write_text(block.text)
        if self._shared is None:
            self._shared = {"__name__": "__main__", **self.names}
        names = {"__name__": "__main__", **self.names} if block.alone else self._shared
        claims = Claims(block)
        tree = ast.increment_lineno(ast.fix_missing_locations(claims.visit(tree)), block.line - 1)
        names["_claim"] = claims.check
        exec(compile(tree, block.path, "exec", dont_inherit=True), names)
        if block.alone:
            names.clear()
        claims.all_were_checked()

    def _pytest(self, name: str, block: Block) -> None:
        options = ["-q", "-p", "no:cacheprovider", "--rootdir=.", "-c", os.devnull]
        command = [sys.executable, "-m", "pytest", *options, name]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{block.where}:\n{done.stdout}{done.stderr}"

    # -- the shell ----------------------------------------------------------------------------------------------------

    def _sh(self, block: Block) -> None:
        """Run a script: its commands, but those that are checked in another way."""
        lines = block.text.replace("\\\n", " ").splitlines()
        script = "\n".join(line for line in lines if not self._checked_otherwise(line, block))
        done = self._shell(script)
        assert done.returncode == 0, f"{block.where}: {done.returncode}\n{done.stdout}"

    def _console(self, block: Block) -> None:
        """Run commands, which stand behind ``$``, and compare what they print; ``...`` there stands for anything."""
        assert block.text.startswith("$ "), f"{block.where}: a console begins with a command, behind a $"
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            command, _, wanted = part.replace("\\\n", " ").partition("\n")
            if self._checked_otherwise(command, block):
                continue
            printed = self._shell(command).stdout
            texts = wanted.rstrip() + "\n", printed.rstrip() + "\n"
            same = doctest.OutputChecker().check_output(*texts, doctest.ELLIPSIS)
            assert same, f"{block.where}: $ {command}\nsays the document:\n{wanted}\nand it is:\n{printed}"

    def _shell(self, script: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-euc", script],
            cwd=self.folder,
            env={**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}"},
            input=self.answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @staticmethod
    def _checked_otherwise(line: str, block: Block) -> bool:
        """Check a command that is not to run in a test; return whether it is one."""
        words = shlex.split(line, comments=True)
        if words[:2] == ["pip", "install"]:
            wrong = [word for word in words[2:] if not is_installable(word)]
        elif words[:2] == ["apt-get", "install"]:
            wrong = sorted(set(words[2:]) - {"apache2", *PACKAGES})  # a hub also needs the service that apache2 sets up
        elif words and (ROOT / words[0]).is_file():  # a program of the project, which has a test of its own
            wrong = [] if os.access(ROOT / words[0], os.X_OK) else words[:1]
        else:
            return False
        assert not wrong, f"{block.where}: there is no {', '.join(wrong)}"
        return True


def is_installable(word: str) -> bool:
    """Return whether a word lets pip install this package from a clone, with extras that the package has.

    The name of the package is not such a word, because the package is on no index.
    """
    named = re.fullmatch(r"\.(?:\[([\w,-]+)\])?", word)
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = set(setup["options.extras_require"])
    return named is not None and set((named.group(1) or "").split(",")) - {""} <= extras


class Claims(ast.NodeTransformer):
    """What a Python block says of its values: in a comment behind an expression, or behind its ``print``.

    ``print(x)  # 'value'`` and ``x  # 'value'`` are compared. A comment that is no Python literal is for readers; but
    not behind a ``print`` or an expression without a call, which have no other sense than to show a value.
    """

    def __init__(self, block: Block) -> None:
        self._block = block
        self._open = set()
        tokens = tokenize.generate_tokens(io.StringIO(block.text).readline)
        self._comments = {
            token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT
        }

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Put a check in the place of an expression with a claim."""
        comment = self._comments.get(node.end_lineno or 0)
        value = node.value
        shown = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"
        where = f"{self._block.path}:{self._block.line + node.lineno - 1}"
        if comment is None or isinstance(value, ast.Constant):
            return node
        try:
            ast.literal_eval(comment)
        except (SyntaxError, ValueError):
            only_shows = shown or not any(isinstance(part, ast.Call) for part in ast.walk(value))
            assert not only_shows, f"{where}: the comment should be the value, as Python writes it: {comment}"
            return node
        if shown:
            assert len(value.args) == 1 and not value.keywords, f"{where}: print one value, to say what it is"
            value = value.args[0]
        self._open.add(where)
        arguments = [value, ast.parse(comment, mode="eval").body, ast.Constant(where)]
        return ast.copy_location(ast.Expr(ast.Call(ast.Name("_claim", ast.Load()), arguments, [])), node)

    def check(self, value: object, wanted: object, where: str) -> None:
        """Compare a value with what the document says."""
        self._open.discard(where)
        assert value == wanted, f"{where}: the document says {wanted!r}, and it is {value!r}"

    def all_were_checked(self) -> None:
        """Raise AssertionError where a claim stands at a place that was never reached."""
        assert not self._open, f"never reached: {', '.join(sorted(self._open))}"
