"""One manual, five documents, one Chinese and one Japanese text: train, dev and test by blocks, said out loud."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

import polars as pl
import pytest

from pipelines.look import sql, status
from schemas.manifest import read_manifest
from tests.pipelines.conftest import run_curate

TOOLS = [
    "锤子",
    "螺丝刀",
    "钳子",
    "锯子",
    "卷尺",
    "水平仪",
    "电钻",
    "砂纸",
    "凿子",
    "扳手",
    "刨子",
    "油漆刷",
    "焊枪",
    "胶枪",
    "角尺",
    "台钳",
]
USES = ["敲击钉子", "拧紧螺丝", "夹住零件", "切割木材", "测量长度", "检查水平", "钻孔", "打磨表面", "雕刻木料", "拆卸螺母", "刨平木板", "涂刷油漆", "连接金属", "粘合塑料", "检查直角", "固定工件"]  # fmt: skip
PLACES = ["建筑工地", "家具厂", "汽车修理店", "学校车间", "造船厂", "农场仓库", "电子实验室", "装修现场"]
JA_TOOLS = ["金槌", "螺旋回し", "ペンチ", "のこぎり", "巻尺", "水準器", "電動ドリル", "紙やすり", "のみ", "レンチ", "かんな", "刷毛", "溶接機", "接着銃", "直角定規", "万力"]  # fmt: skip
JA_USES = ["釘を打つ", "ねじを締める", "部品をつかむ", "木材を切る", "長さを測る", "水平を調べる", "穴をあける", "表面を磨く", "木を彫る", "ナットを外す", "板を平らにする", "塗料を塗る", "金属をつなぐ", "樹脂を貼る", "直角を調べる", "材料を固定する"]  # fmt: skip
JA_PLACES = ["建設現場", "家具工場", "修理工場", "学校の工作室", "造船所", "農家の倉庫", "電子実験室", "改装現場"]


def chinese() -> str:
    return "\n\n".join(
        f"{tool}是用来{use}的工具。工人在{PLACES[i % 8]}经常使用{tool}，因为它可以快速地{use}。"
        f"使用{tool}之前应当检查手柄是否牢固，使用之后要把它放回第{i + 1}号柜子。如果{tool}损坏，请联系{PLACES[(i + 3) % 8]}的管理员，"
        f"并在登记册第{i * 7 + 11}页写下损坏的日期和原因。新的{tool}每隔{i + 2}个月采购一次，费用由{PLACES[(i + 5) % 8]}承担。"
        for i, (tool, use) in enumerate(zip(TOOLS, USES, strict=True))
    )


def japanese() -> str:
    return "\n\n".join(
        f"{tool}とは、{use}ための道具です。{JA_PLACES[i % 8]}では毎日{tool}を使います。"
        f"{tool}を使う前に持ち手がしっかりしているか確認し、使った後は{i + 1}番の棚に戻してください。壊れた場合は"
        f"{JA_PLACES[(i + 3) % 8]}の担当者に連絡し、台帳の{i * 7 + 11}ページに日付と原因を書きます。新しい{tool}は{i + 2}か月ごとに購入されます。"
        for i, (tool, use) in enumerate(zip(JA_TOOLS, JA_USES, strict=True))
    )


def manual() -> str:
    parts = [f"# {name}\n\n" + text[:1500].rsplit("\n\n", 1)[0] for name, text in sorted(topics.items())[:30]]
    return "\n\n".join(parts)


def corpus(name: str, folder: Path) -> None:
    folder.mkdir()
    if name == "one manual":
        (folder / "manual.md").write_text(manual(), encoding="utf-8")
    if name == "five documents":
        for topic, text in sorted(topics.items(), key=lambda item: -len(item[1]))[:5]:
            (folder / f"{topic}.txt").write_text(text[:8000].rsplit("\n\n", 1)[0], encoding="utf-8")
    if name == "one Chinese text":
        (folder / "zh.txt").write_text(chinese(), encoding="utf-8")
    if name == "one Japanese text":
        (folder / "ja.txt").write_text(japanese(), encoding="utf-8")


@pytest.mark.parametrize("name", ["one manual", "five documents", "one Chinese text", "one Japanese text"])
def test_a_small_corpus_gives_every_split_by_blocks_and_says_so(name: str, tmp_path: Path) -> None:
    corpus(name, tmp_path / "docs")
    run_curate("build", "docs", cwd=tmp_path)
    build = tmp_path / "curated"
    assert {row["split"] for row in sql(build, "SELECT DISTINCT split FROM splits")} >= {"train", "dev", "test"}
    assert {row["method"] for row in sql(build, "SELECT DISTINCT method FROM splits")} == {"blocks"}
    assert read_manifest(build / "dataset").split_method == "blocks"
    assert [note for row in status(build) for note in row["notes"] if "blocks of sections" in note]
    assert pl.read_parquet(build / "dataset" / "triplets" / "train.parquet").height > 0
    assert read_manifest(build / "dataset").counts["pairs"]["test"] > 0
