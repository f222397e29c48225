"""Files that end the process that reads them inside of Arrow's code: each does so once."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ctrain.domain import Json
from ctrain.sources.perils import Perils
from tests.parquet_rows import build_rows, ids_of, open_files, write_parquet

ENDS_ITS_READER = zlib.decompress(
    base64.b85decode(
        "c-oa!OK;Oa5Z<_M8me3>v6e0Q&`Y8swatSDmCBb*lk{B@i=<5sRH>6X0jCL0+EB!SAHaztCw>CIgBuslh%-Nc0|$0?{n$JZ>"
        "c~4@&EuQdZ^ucQm>G<)iq&;2(M=Rb^(Saea?>hZD=P>g304HOo2C&u*27RWhJNgP`Sx8#;Z8wobF2cCZ<+(<Nw9m*z-Fu>m?"
        "soN!OFxTA{jN35ket0Gh4J3!23HWI%^e>T4B){=Bh-cYl^ul!Ls%)ht%lM>a=@J97i~wkkkiPPS@^?F1oD*I@SSErq(zFwQi"
        "ht>!LYIJUsreqObFM%hbC#wEAwF=P%v1-C?(XEoR4B-QlQtZLttnU9y_4+ikmEh$3ma<|L7h<60t$G@%7dok~rqC1b|K2xvN"
        "nlS;@?WG$*C*|`8g<_Ht*GLTOZ`XpZ%_Zp9|%p<YLGB3hUEujC7821{Of53Yz_(ZY-Wu=__xL^n)Bv2sDqafg1Xz=HPaj)U}"
        "PlMhy2AA|lHYUbx?ky=_7ZoWPqc7@L<HR(do$c@uR6olpkQ~VqLMnvI5g}uew@HZ*o9x=mmZt$Hu-PT#fEmI!l{%;)Af#b;I"
        "0g?Wp2VOF+o{`BieZ^yQl12|&y3m9oz-(3%P#aG{;*8@1Ek6U>+dkY<FX5C&m35f&CX@-)Ztc}6j*;2_cJN+q5)o&f$UA;v9"
        "9+Uj&*%HxXf;m=Mca3lB#X$C>DxA5GjVOSHbwUo_%`Pr~sr5{OtuT9tZhHEQymU<d41lj?>t$4I5|XRsFo;pYH^y@_FYb<|}"
        "}z)yx8rSYrM<w07cw`-k%Rwx{@JR5p5V290bdeV%n*dH$lv2U1rDP51Rpd$eH<1{-t$`{PybLs`w{Hq)CK&7nUkQxEzjBUGk"
        ";EPnys6Eox"
    )
)
"""A row in Parquet with a damaged histogram in its footer: Arrow asserts that it has another length."""
READ = """
import json, sys
from pathlib import Path
from ctrain.sources.perils import Perils
from tests.parquet_rows import ids_of, open_files

folder = Path(sys.argv[1])
read = open_files(folder, perils=Perils(folder / "marks" / "clicks-rows")).read({}, 1000)
print(json.dumps([ids_of(read), [[one.path, one.reason, one.message] for one in read.rejected]]))
"""


class Trials:
    """Stands in for children; remembers what they were to read."""

    def __init__(self, answer: str) -> None:
        self.answer = answer
        self.read: list[str] = []

    def __call__(self, path: str, asked: Json) -> str:
        self.read.append(path)
        return self.answer


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "marks" / "clicks-rows"


def read_apart(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", READ, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_security_a_file_that_ends_its_reader_does_so_once(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows" / "a.parquet", build_rows(["a1", "a2"]))
    (tmp_path / "rows" / "b.parquet").write_bytes(ENDS_ITS_READER)
    assert read_apart(tmp_path).returncode == -signal.SIGABRT
    found = read_apart(tmp_path)
    ids, rejected = json.loads(found.stdout)
    assert (ids, found.returncode) == (["a1", "a2"], 0)
    message = (
        "b.parquet: reading the file ends the process (signal 6): it is damaged, or made to do so. "
        "The file is set aside; it is read when its content changes"
    )
    assert rejected == [["b.parquet", "damaged", message]]


def test_a_file_that_was_open_when_the_process_was_killed_is_read(tmp_path: Path, mark: Path) -> None:
    path = write_parquet(tmp_path / "rows" / "a.parquet", build_rows(["a1", "a2"]))
    mark.parent.mkdir()
    mark.write_bytes(os.fsencode(path))
    read = open_files(tmp_path, perils=Perils(mark)).read({}, 1000)
    assert (ids_of(read), read.rejected) == (["a1", "a2"], ())


def test_only_what_was_open_is_tried(tmp_path: Path, mark: Path) -> None:
    paths = [
        write_parquet(tmp_path / "rows" / f"{one}.parquet", build_rows([one])) for one in ("a", "b", "c")
    ]
    with Perils(mark).reading(str(paths[1].with_name("of a longer name.parquet"))):
        pass
    with Perils(mark).reading(str(paths[1])):
        left = mark.read_bytes()
    lived_on = Trials("signal 11")
    assert ids_of(open_files(tmp_path, perils=Perils(mark, lived_on)).read({}, 1000)) == ["a", "b", "c"]
    assert not lived_on.read, "the mark goes when the process lives on"
    mark.write_bytes(left)
    trials = Trials("signal 11")
    source = open_files(tmp_path, perils=Perils(mark, trials))
    read = source.read({}, 1000)
    assert (ids_of(read), [one.path for one in read.rejected]) == (["a", "c"], ["b.parquet"])
    assert trials.read == [str(paths[1])]
    assert not source.has_unread(read.cursor)
    write_parquet(paths[1], build_rows(["b", "d"]))
    assert ids_of(source.read(read.cursor, 1000)) == ["b", "d"], "it is read when it was replaced"


def test_without_room_for_a_mark_rows_are_read(tmp_path: Path) -> None:
    write_parquet(tmp_path / "rows" / "a.parquet", build_rows(["a"]))
    (tmp_path / "file").touch()
    source = open_files(tmp_path, perils=Perils(tmp_path / "file" / "mark"))
    assert ids_of(source.read({}, 1000)) == ["a"]
