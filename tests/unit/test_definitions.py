"""Definitions: safe YAML, findings, order of steps, and the pipeline that comes of it all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docmill import definitions, registry
from docmill.definitions import plugins
from docmill.definitions.files import PARAM_SET, WORKFLOW, get, load_all, load_text, shipped_folder
from docmill.definitions.findings import BadDefinition
from docmill.definitions.yaml_text import MAX_BYTES, YamlFault, read, scalar
from docmill.domain.params import ChunkParams
from docmill.domain.status import LifecycleEvent
from docmill.domain.workflow import HandledEvent, StepType
from docmill.errors import DefinitionError, DefinitionNotFound

STEPS = """\
steps:
  - {name: parse, type: parse}
  - {name: chunk, type: chunk}
  - {name: embed, type: embed}
  - {name: store, type: store}
"""
PARSE, CHUNK = "{name: parse, type: parse}", "{name: chunk, type: chunk}"
WORKFLOW_TEXT = f"id: mine\nname: Mine\n{STEPS}"


def problems_of(kind, text):
    with pytest.raises(BadDefinition) as caught:
        load_text(kind, text, Path("x.yaml"), "user")
    return [(each.line, each.path, each.message, each.suggestion) for each in caught.value.problems]


# ---- YAML ------------------------------------------------------------------------------------------------------------


def test_lines_of_every_key():
    text = read("a: 1\n\nb:\n  - c: x\n    d: [1,\n      2]\n")
    assert text.data == {"a": 1, "b": [{"c": "x", "d": [1, 2]}]}
    assert text.lines == {
        ("a",): 1,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 0, "c"): 4,
        ("b", 0, "d"): 5,
        ("b", 0, "d", 0): 5,
        ("b", 0, "d", 1): 6,
    }
    assert text.line_of(("b", 0, "missing")) == 4


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("no", "no"),
        ("off", "off"),
        ("yes", "yes"),
        ("null", None),
        ("", None),
        ("~", None),
        ("12", 12),
        ("-3", -3),
        ("010", "010"),
        ("0o10", "0o10"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("12:30:00", "12:30:00"),
        ("2024-01-31", "2024-01-31"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        (".inf", ".inf"),
        ("'12'", "12"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_plain_scalars_mean_what_they_look_like(text, value):
    found = scalar(text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: &x 1\nb: *x\n", 1, "anchors and aliases"),
        ("a: 1\nb: *x\n", 2, "anchors and aliases"),
        ("a: !!python/object:os.system x\n", 1, "tags"),
        ("a: !!int '1'\n", 1, "tags"),
        ("a: 1\nb: 2\na: 3\n", 3, "'a' is given twice, first in line 1"),
        ("x:\n  a: 1\n  a: 3\n", 3, "given twice"),
        ("1: x\n", 1, "keys must be text"),
        ("? [a]\n: x\n", 1, "keys must be text"),
        ("a: [1\n", 2, "not valid YAML"),
        ("a: 1\n b: 2\n", 2, "not valid YAML"),
        ("\ta: 1\n", 1, "not valid YAML"),
        ("a: 1\n---\nb: 2\n", 2, "not valid YAML"),
        ("", 1, "this is nothing"),
        ("- a\n", 1, "this is a list"),
        ("just text\n", 1, "this is text"),
        ("a: " + "[" * 40 + "]" * 40 + "\n", 1, "nested deeper"),
        ("a: " + "{b: " * 40 + "1" + "}" * 40 + "\n", 1, "nested deeper"),
        ("[" * 30_000, 1, "nested deeper"),
        ("a: 1e999\n", 1, "too large"),
        ("a: 9223372036854775808\n", 1, "too large"),
        ("a: -" + "9" * 4000 + "\n", 1, "too large"),
        ("a: " + "9" * 5000 + "\n", None, "not valid YAML"),
        ('a: "\\ud800"\n', 1, "no character"),
        ('a: "\\U00110000"\n', None, "not valid YAML"),
        ("a: \x00\n", None, "not valid YAML"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_refused(text, line, words):
    with pytest.raises(YamlFault, match=words) as caught:
        read(text)
    assert caught.value.line == line


def test_files_are_small_and_utf_8():
    with pytest.raises(YamlFault, match="larger than 64 KiB"):
        read(b"#" * (MAX_BYTES + 1))
    with pytest.raises(YamlFault, match="not UTF-8") as caught:
        read(b"a: 1\nb: \xff\n")
    assert caught.value.line == 2
    assert read(b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_no_text_raises_anything_else(text):
    try:
        read(text)
    except YamlFault as fault:
        assert fault.message


# ---- findings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "message", "suggestion"),
    [
        ("name: Mine", "nmae: Mine", 2, "nmae", "unknown key 'nmae'", "did you mean 'name'?"),
        ("name: Mine", "name: 12", 2, "name", "must be text, not a whole number (12)", "put it in quotes"),
        ("id: mine", "id: My Flow!", 1, "id", "must be of lower-case letters, digits, - and _", "'my-flow' would do"),
        (CHUNK, "{name: chunk, type: chnuk}", 5, "steps[1].type", "'chnuk' is not one of", "did you mean 'chunk'?"),
        (
            CHUNK,
            "{name: chunk, type: chunk, retries: '3'}",
            5,
            "steps[1].retries",
            "must be a whole number, not text ('3')",
            "take the quotes off",
        ),
        (CHUNK, "{name: chunk, type: chunk, retries: -1}", 5, "steps[1].retries", "must be at least 0, not -1", None),
        (
            CHUNK,
            "{name: chunk, type: chunk, timeout_s: 0}",
            5,
            "steps[1].timeout_s",
            "must be more than 0, not 0",
            None,
        ),
        (
            CHUNK,
            "{name: chunk, type: chunk, method: structur}",
            5,
            "steps[1].method",
            "there is no chunker named 'structur'",
            "did you mean 'structure'?",
        ),
        (
            CHUNK,
            "{name: chunk, type: chunk, parameters: [1]}",
            5,
            "steps[1].parameters",
            "must be a mapping, not a list",
            None,
        ),
        (
            CHUNK,
            "{name: chunk, type: chunk, parameters: {context: no}}",
            5,
            "steps[1].parameters.context",
            "must be true or false, not text ('no')",
            "write false",
        ),
        (
            PARSE,
            "{name: parse, type: parse, parameters: {pdf_engine: pdfum}}",
            4,
            "steps[0].parameters.pdf_engine",
            "'pdfum' is not one of auto, pdfium, pypdf",
            "did you mean 'pdfium'?",
        ),
        (
            PARSE,
            "{name: parse, type: parse, method: pfd}",
            4,
            "steps[0].method",
            "there is no parser named 'pfd'",
            "did you mean 'pdf'?",
        ),
        (
            "{name: store, type: store}",
            "{name: store, type: store, parameters: {database: ../x}}",
            7,
            "steps[3].parameters.database",
            "'../x' does not match",
            None,
        ),
        (PARSE, "{name: get, type: ingest}", 4, "steps[0].type", "'ingest' is no step of a workflow", None),
        (PARSE, "{name: way, type: route}", 4, "steps[0].type", "'route' is no step of a workflow", None),
        (PARSE, "{type: parse}", 4, "steps[0].name", "'name' is missing", None),
        (STEPS, "steps: []\n", 3, "steps", "must not be empty", None),
        (
            STEPS,
            f"{STEPS}lifecycle: {{item_ended: []}}\n",
            8,
            "lifecycle.item_ended",
            "'item_ended' is not one of",
            "did you mean 'item_end'?",
        ),
        (
            STEPS,
            f"{STEPS}lifecycle:\n  item_end:\n    - {{type: mail}}\n",
            10,
            "lifecycle.item_end[0]",
            "a handler's type is",
            "type: webhook",
        ),
        (
            STEPS,
            f"{STEPS}lifecycle:\n  item_end:\n    - {{type: webhook, url: 'ftp://x'}}\n",
            10,
            "lifecycle.item_end[0].url",
            "must be an http or https address",
            None,
        ),
        (
            STEPS,
            f"{STEPS}lifecycle:\n  item_end:\n    - {{type: webhook, command: x}}\n",
            10,
            "lifecycle.item_end[0].url",
            "'url' is missing",
            None,
        ),
        *(
            (
                STEPS,
                f"{STEPS}lifecycle:\n  item_end:\n    - {{type: webhook, {given}}}\n",
                10,
                path,
                message,
                suggestion,
            )
            for given, path, message, suggestion in (
                (
                    "url: 'https://x.org', token: abc",
                    "lifecycle.item_end[0].token",
                    "a token is not written",
                    "token_env:",
                ),
                (
                    "url: 'https://x.org', secret: abc",
                    "lifecycle.item_end[0].secret",
                    "a secret is not",
                    "secret_file:",
                ),
                ("url: 'https://x.org', retries: 3", "lifecycle.item_end[0].retries", "unknown key 'retries'", None),
                ("url: 'https://u:p@x.org'", "lifecycle.item_end[0].url", "holds a user name or a password", None),
                ("url: 'https://x.org:99999'", "lifecycle.item_end[0].url", "ort out of range", None),
                (
                    "url: 'https://x.org', token_env: 'Bearer abc'",
                    "lifecycle.item_end[0].token_env",
                    "must be the name of an environment variable",
                    None,
                ),
                (
                    "url: 'https://x.org', token_env: A, token_file: b",
                    "lifecycle.item_end[0].token_file",
                    "token_env and token_file exclude each other",
                    None,
                ),
                ("url: 'https://x.org', timeout_s: 0", "lifecycle.item_end[0].timeout_s", "must be more than 0", None),
            )
        ),
    ],
)
def test_findings_say_where_what_and_what_instead(old, new, line, path, message, suggestion):
    found = problems_of(WORKFLOW, WORKFLOW_TEXT.replace(old, new))
    matching = [each for each in found if each[1] == path]
    assert matching, found
    assert matching[0][0] == line
    assert message in matching[0][2]
    assert (suggestion or "") in (matching[0][3] or "")


def test_handlers_go_into_the_pipeline():
    lifecycle = (
        "lifecycle:\n  progress:\n    - {type: webhook, url: 'https://x.org', token_env: T, job_id: j, timeout_s: 5}\n"
        "  group_end:\n    - {type: command, command: 'true'}\n  item_end: []\n"
    )
    loaded = load_text(WORKFLOW, f"{WORKFLOW_TEXT}{lifecycle}", Path("x.yaml"), "user")
    assert json.loads(loaded.definition.handlers()) == {
        "progress": [{"type": "webhook", "url": "https://x.org", "token_env": "T", "job_id": "j", "timeout_s": 5.0}],
        "group_end": [{"type": "command", "command": "true", "timeout_s": 60.0}],
    }


def test_every_lifecycle_event_can_be_handled():
    assert {each.value for each in HandledEvent} == {*(each.value for each in LifecycleEvent), "progress"}


@pytest.mark.parametrize(
    ("types", "path", "words"),
    [
        ("parse chunk embed", "steps", "needs a step of type 'store'"),
        ("chunk", "steps", "'parse' and 'embed' and 'store'"),
        ("chunk parse embed store", "steps[1]", "'parse' must come before 'chunk'"),
        ("parse chunk store embed", "steps[3]", "'embed' must come before 'store'"),
        ("parse validate chunk embed store", "steps[1]", "'validate' must come before 'parse'"),
        ("parse chunk chunk embed store", "steps[2]", "a second step of type 'chunk'"),
    ],
)
def test_the_order_of_steps(types, path, words):
    steps = "".join(f"  - {{name: s{index}, type: {type_}}}\n" for index, type_ in enumerate(types.split()))
    found = problems_of(WORKFLOW, f"id: mine\nname: Mine\nsteps:\n{steps}")
    assert any(each[1] == path and words in each[2] for each in found), found


def test_names_of_steps_are_unique():
    found = problems_of(WORKFLOW, WORKFLOW_TEXT.replace("name: embed", "name: chunk"))
    assert found[0][1:3] == ("steps[2]", "a step named 'chunk' is there already")


def test_an_enrich_step_names_its_method():
    text = WORKFLOW_TEXT.replace("  - {name: chunk", "  - {name: more, type: enrich}\n  - {name: chunk")
    assert problems_of(WORKFLOW, text)[0][1:3] == ("steps[1].method", "a step of type 'enrich' names its method")


@pytest.mark.parametrize(
    ("config", "path", "words"),
    [
        ("chnuk: {size: 1}", "config.chnuk", "'chnuk' is not one of"),
        ("chunk: {siez: 100}", "config.chunk.siez", "has no parameter 'siez'"),
        ("chunk: {size: big}", "config.chunk.size", "must be a whole number, not text ('big')"),
        ("chunk: {size: 1}", "config.chunk.size", "must be at least 16, not 1"),
        ("chunk: {method: [x]}", "config.chunk.method", "must be text, not a list"),
        ("chunk: {method: x}", "config.chunk.method", "there is no chunker named 'x'"),
        ("chunk: {size: 40, overlap: 30}", "config.chunk", "overlap (30) must be at most half of size (40)"),
        ("chunk: 12", "config.chunk", "must be a mapping, not a whole number (12)"),
        ("store: {method: sqlite}", "config.store.method", "there is no method 'sqlite' for a store step"),
    ],
)
def test_param_sets_are_checked_without_a_workflow(config, path, words):
    found = problems_of(PARAM_SET, f"id: mine\nname: Mine\nconfig:\n  {config}\n")
    assert any(each[0] == 4 and each[1] == path and words in each[2] for each in found), found


def test_a_source_in_a_file_is_one_of_two_and_the_place_decides():
    loaded = load_text(PARAM_SET, "id: mine\nname: Mine\nsource: app\n", Path("x.yaml"), "user")
    assert loaded.definition.source == "user"
    assert problems_of(PARAM_SET, "id: mine\nname: Mine\nsource: web\n")[0][1] == "source"


# ---- files -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path):
    (tmp_path / "workflows").mkdir()
    (tmp_path / "param-sets").mkdir()
    return tmp_path


@pytest.mark.parametrize("kind", [WORKFLOW, PARAM_SET], ids=lambda kind: kind.name)
def test_shipped_files_are_named_by_their_id_and_whole(kind):
    catalogue = load_all(kind, None)
    assert catalogue.problems == []
    assert {file.stem for file in shipped_folder(kind).iterdir()} == set(catalogue.loaded)
    for loaded in catalogue.loaded.values():
        assert loaded.definition.description
        assert loaded.text.text.startswith("# ")


def test_a_bad_file_hides_no_good_one_and_is_told_when_it_is_wanted(home):
    (home / "workflows" / "a.yaml").write_text("id: mine\n")
    (home / "workflows" / "b.yml").write_text(WORKFLOW_TEXT.replace("id: mine", "id: other"))
    (home / "workflows" / "c.yaml").write_text("a: [\n")
    (home / "workflows" / "d.yaml").mkdir()
    (home / "workflows" / ".hidden.yaml").write_text("x")
    (home / "workflows" / "notes.txt").write_text("x")
    catalogue = load_all(WORKFLOW, home)
    assert set(catalogue.loaded) == {"batch", "interactive", "other"}
    assert {Path(problem.file).name for problem in catalogue.problems} == {"a.yaml", "c.yaml", "d.yaml"}
    with pytest.raises(BadDefinition, match="findings"):
        get(WORKFLOW, "mine", home)
    with pytest.raises(BadDefinition, match="not valid YAML"):
        get(WORKFLOW, "c", home)
    with pytest.raises(DefinitionNotFound) as caught:
        get(WORKFLOW, "othr", home)
    assert caught.value.hint == "did you mean 'other'?"


def test_the_first_file_of_an_id_has_it(home):
    (home / "workflows" / "a.yaml").write_text(WORKFLOW_TEXT)
    (home / "workflows" / "b.yaml").write_text(WORKFLOW_TEXT)
    catalogue = load_all(WORKFLOW, home)
    assert catalogue.loaded["mine"].file.name == "a.yaml"
    [problem] = catalogue.problems
    assert (Path(problem.file).name, problem.line, problem.path) == ("b.yaml", 1, "id")


def test_an_id_is_no_path(home):
    (home / "param-sets" / "x.yaml").write_text("id: x\nname: X\n")
    with pytest.raises(DefinitionNotFound):
        get(PARAM_SET, f"../{home.name}/param-sets/x", home)


# ---- pipelines -------------------------------------------------------------------------------------------------------


def params_in(home, config):
    (home / "param-sets" / "mine.yaml").write_text(f"id: mine\nname: Mine\nconfig:\n{config}")


def workflow_in(home, chunk):
    text = WORKFLOW_TEXT.replace(CHUNK, chunk)
    (home / "workflows" / "mine.yaml").write_text(text)


@pytest.mark.parametrize("workflow", ["batch", "interactive"])
@pytest.mark.parametrize("params", ["default", "high_quality", "fast"])
def test_every_shipped_pair_makes_a_pipeline(workflow, params):
    pipeline = definitions.resolve(None, workflow, params)
    assert [step.type.value for step in pipeline.steps] == ["validate", "parse", "chunk", "embed", "store"]
    assert pipeline.step(StepType.EMBED).method == "fastembed"
    assert pipeline.step(StepType.CHUNK).method == "structure"
    assert pipeline.step(StepType.PARSE).method == "auto"
    assert pipeline.database == "default"


def test_the_draft_is_parsed_and_cut_as_the_real_index_will_be_and_lies_elsewhere():
    draft, default = (definitions.resolve(None, "batch", params) for params in ("draft", "default"))
    assert draft.step(StepType.EMBED).method == "static"
    assert draft.database == "draft"
    for type_ in (StepType.VALIDATE, StepType.PARSE, StepType.CHUNK):
        assert draft.step(type_) == default.step(type_)


def test_workflows_differ_in_speed_only():
    for params in ("default", "high_quality", "fast", "draft"):
        batch, interactive = (definitions.resolve(None, name, params) for name in ("batch", "interactive"))
        assert [step.params.key_fields() for step in batch.steps] == [
            step.params.key_fields() for step in interactive.steps
        ]


def test_the_default_set_is_the_plug_ins_own_defaults():
    pipeline = definitions.resolve(None, "batch", "default")
    for step in pipeline.steps:
        assert step.params.key_fields() == type(step.params)().key_fields()


def test_values_go_over_each_other(home):
    workflow_in(home, "{name: chunk, type: chunk, retries: null, timeout_s: 7, parameters: {size: 100, overlap: 20}}")
    params_in(home, "  chunk: {size: 120}\n")
    step = definitions.resolve(home, "mine", "mine", ["chunk.context=false"]).step(StepType.CHUNK)
    assert isinstance(step.params, ChunkParams)
    assert (step.params.size, step.params.overlap, step.params.context) == (120, 20, False)
    assert (step.retries, step.timeout_s) == (None, 7)
    assert definitions.resolve(home, "mine", "mine", ["chunk.size=130"]).step(StepType.CHUNK).params.size == 130


def test_the_plug_in_is_chosen_by_the_uppermost(home):
    workflow_in(home, "{name: chunk, type: chunk, method: structure}")
    params_in(home, "  embed: {method: hashing}\n")
    pipeline = definitions.resolve(home, "mine", "mine")
    assert pipeline.step(StepType.EMBED).method == "hashing"
    assert (
        definitions.resolve(home, "mine", "mine", ["embed.method=fastembed"]).step(StepType.EMBED).method == "fastembed"
    )
    assert definitions.resolve(home, "mine", "mine", ["parse.method=text"]).step(StepType.PARSE).method == "text"


def test_values_for_steps_that_a_workflow_lacks_are_left_aside(home):
    workflow_in(home, CHUNK)
    params_in(home, "  validate: {max_file_bytes: 10}\n")
    assert len(definitions.resolve(home, "mine", "mine").steps) == 4


@pytest.mark.parametrize(
    ("override", "path", "words", "suggestion"),
    [
        ("chunk.siez=1", "chunk.siez", "has no parameter 'siez'", "did you mean 'size'?"),
        ("chnuk.size=1", "chnuk.size", "has no step of type 'chnuk'", "did you mean 'chunk'?"),
        ("enrich.x=1", "enrich.x", "has no step of type 'enrich'", "there are"),
        ("chunk.size='100'", "chunk.size", "must be a whole number", "take the quotes off"),
        ("chunk.size=", "chunk.size", "must be a whole number, not nothing (null)", None),
        ("chunk.overlap=200", "chunk", "must be at most half", None),
        ("chunk", "chunk", "not of the form", "--set chunk.size=200"),
        ("chunk=3", "chunk=3", "not of the form", "--set chunk.size=200"),
        ("chunk.size=*x", "chunk.size", "aliases", "quote the value"),
        ("embed.method=onix", "embed.method", "no embedder named 'onix'", None),
        ("store.database=a/b", "store.database", "does not match", None),
    ],
)
def test_bad_overrides(override, path, words, suggestion):
    with pytest.raises(BadDefinition) as caught:
        definitions.resolve(None, "batch", "default", [override])
    [problem] = caught.value.problems
    assert (problem.file, problem.line, problem.path) == ("--set", None, path)
    assert words in problem.message
    assert (suggestion or "") in (problem.suggestion or "")


def test_what_only_the_whole_shows_is_told_where_it_came_from(home):
    workflow_in(home, "{name: chunk, type: chunk, parameters: {overlap: 60}}")
    params_in(home, "  chunk:\n    size: 100\n")
    with pytest.raises(BadDefinition) as caught:
        definitions.resolve(home, "mine", "mine")
    [problem] = caught.value.problems
    assert (Path(problem.file).parent.name, problem.line, problem.path) == ("param-sets", 4, "config.chunk")


def test_every_finding_is_told_at_once():
    with pytest.raises(BadDefinition) as caught:
        definitions.resolve(None, "batch", "default", ["chunk.siez=1", "embed.batch_tokens=1", "parse.method=x"])
    assert {problem.path for problem in caught.value.problems} == {"chunk.siez", "embed.batch_tokens", "parse.method"}


@pytest.fixture
def enrichers(tmp_path, monkeypatch):
    """Two enrichers from elsewhere, as entry points would give them."""
    from docmill.domain.params import StepParams

    class Language(StepParams):
        hint: str = "en"

    class Words(StepParams):
        most: int = 5

    class Plugin:
        version = "1"

        def __init__(self, params):
            self.params = params

    found = {"language": Plugin(Language), "words": Plugin(Words)}
    original_names, original_load = registry.names, registry.load
    monkeypatch.setattr(registry, "names", lambda kind: tuple(found) if kind == "enrichers" else original_names(kind))
    monkeypatch.setattr(
        registry, "load", lambda kind, name: found[name] if kind == "enrichers" else original_load(kind, name)
    )
    plugins.find.cache_clear()
    plugins.methods.cache_clear()
    yield
    plugins.find.cache_clear()
    plugins.methods.cache_clear()


def enriching(home):
    steps = "  - {name: lang, type: enrich, method: language}\n  - {name: words, type: enrich, method: words}\n"
    text = WORKFLOW_TEXT.replace("  - {name: chunk", f"{steps}  - {{name: chunk")
    (home / "workflows" / "mine.yaml").write_text(text)


def test_several_enrich_steps_share_a_set_and_each_takes_what_it_knows(home, enrichers):
    enriching(home)
    params_in(home, "  enrich: {hint: de, most: 9}\n")
    steps = {step.name: step for step in definitions.resolve(home, "mine", "mine").steps}
    assert steps["lang"].params.hint == "de"
    assert steps["words"].params.most == 9


@pytest.mark.parametrize(
    ("config", "words"),
    [("{msot: 9}", "no step has a parameter 'msot'"), ("{method: words}", "has 2 steps of this type")],
)
def test_what_no_enrich_step_knows_is_told(home, enrichers, config, words):
    enriching(home)
    params_in(home, "  chunk: {size: 100}\n")
    key, value = config.strip("{}").split(": ")
    with pytest.raises(BadDefinition) as caught:
        definitions.resolve(home, "mine", "mine", [f"enrich.{key}={value}"])
    assert words in caught.value.problems[0].message


def test_a_set_s_unknown_enrich_keys_are_told_without_a_workflow(enrichers):
    found = problems_of(PARAM_SET, "id: mine\nname: Mine\nconfig:\n  enrich: {msot: 9}\n")
    assert found == [(4, "config.enrich.msot", "no enricher has a parameter 'msot'", "did you mean 'most'?")]


# ---- steps that were resolved before ---------------------------------------------------------------------------------


def test_a_step_comes_back_from_json():
    import json

    for step in definitions.resolve(None, "batch", "high_quality").steps:
        params = json.loads(json.dumps(step.params.model_dump(mode="json")))
        again = definitions.resolve_step(
            step.name, step.type, step.method, params, retries=step.retries, timeout_s=step.timeout_s
        )
        assert again == step


@pytest.mark.parametrize(("method", "params"), [("gone", {}), ("structure", {"old": 1})])
def test_a_step_whose_plug_in_changed_is_a_definition_error(method, params):
    with pytest.raises(DefinitionError):
        definitions.resolve_step("chunk", StepType.CHUNK, method, params)
