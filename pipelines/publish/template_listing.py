"""Trade templates as a person reads them: a list, one template to start a file from, the page of docs.

Belongs here: how templates look. Does not belong here: reading and checking them
(pipelines.reference.templates).
"""

import csv
import io
from collections.abc import Iterable, Mapping

import yaml

from pipelines.reference.templates import PlausibilityRange, Template

_HEADER = ("id", "version", "process", "name_ko", "name_en", "streams", "carriers", "product_classes")
_INTRODUCTION = """\
# Trade templates · 업종별 참조모델

<!-- Made by `digital-cluster templates page`; do not edit by hand. -->

A template says what a new factory of a trade starts with: streams, carriers, products, KPIs, and between what
its daily figures usually lie. A factory's profile names its template (`template`; empty: none).

템플릿은 그 업종의 새 공장이 무엇으로 시작하는지 정합니다. 공장 프로필의 `template`에 id를 적습니다.

```
digital-cluster templates list [--templates FILE_OR_FOLDER]
digital-cluster templates show ID [--templates FILE_OR_FOLDER] > mine.yaml
```

**To change one · 바꾸려면**: write `show` into a file, edit it, and name the file (or a folder of `*.yaml`
files) with `--templates` or `DC_TEMPLATES`. A template with an id that ships replaces it as a whole; other
ids are added. Unknown keys, carriers and KPIs are errors (exit code 2).

`show` 결과를 파일로 저장해 고친 뒤 `--templates`나 `DC_TEMPLATES`로 지정하세요.
같은 id는 통째로 바뀌고, 새 id는 더해집니다. 모르는 키, 에너지원, 지표는 오류입니다(종료 코드 2).

**A range is a question, never a filter · 범위는 질문이지 필터가 아닙니다**: a value outside stays as it is.
What a range rests on: `definition` (the formula allows nothing else), `physics` (a computed bound),
`reference_level` (a tenth to ten times the public level in `pipelines/reference/kpi_grids.csv`), `judgement`
(nobody has published it).
"""


def templates_csv(templates: Iterable[Template]) -> str:
    """Return templates as CSV, one row each, lists joined by semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADER)
    for t in templates:
        classes = ";".join(p.product_class for p in t.products)
        named = (t.id, t.version, t.process, t.name.ko, t.name.en)
        writer.writerow((*named, ";".join(t.streams.start), ";".join(t.carriers), classes))
    return out.getvalue()


def template_yaml(template: Template) -> str:
    """Return one template as a file that `--templates` reads back."""
    content = {"templates": [template.model_dump(mode="json", exclude_none=True)]}
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=110)


def templates_page(templates: Mapping[str, Template]) -> str:
    """Return docs/templates.md."""
    overview = [
        "| id | 업종 | trade | streams at the start | later | carriers |",
        "|---|---|---|---|---|---|",
        *(
            f"| `{t.id}` | {t.name.ko} | {t.name.en} | {_listed(t.streams.start)} "
            f"| {_listed(t.streams.later)} | {_listed(t.carriers)} |"
            for t in templates.values()
        ),
    ]
    sections = [_section(t) for t in templates.values()]
    return "\n".join([_INTRODUCTION, *overview, "", *sections])


def _section(template: Template) -> str:
    products = "; ".join(
        f"{p.name.en} · {p.name.ko} (`{p.product_class}`, {p.unit})" for p in template.products
    )
    lines = [
        f"## {template.name.en} · {template.name.ko} (`{template.id}`, version {template.version})",
        "",
        f"Products · 제품: {products}",
        "",
        "KPIs · 지표: " + ", ".join(f"`{kpi}`" for kpi in template.kpis),
        "",
        "| KPI | products | from | to | unit | basis | reason | 이유 |",
        "|---|---|---|---|---|---|---|---|",
        *(_range_row(bounds) for bounds in template.ranges),
        "",
    ]
    return "\n".join(lines)


def _range_row(bounds: PlausibilityRange) -> str:
    span = (f"{bounds.lower:g}", f"{bounds.upper:g}", bounds.unit)
    why = (bounds.basis, bounds.reason.en, bounds.reason.ko)
    cells = (f"`{bounds.kpi}`", bounds.product_class or "all", *span, *why)
    return f"| {' | '.join(cells)} |"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
