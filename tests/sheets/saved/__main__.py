"""Makes the files of this folder again: `python -m tests.sheets.saved`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.local.layout import local_dir
from tests.sheets.programs import Excelize, LibreOffice, SheetJs
from tests.sheets.test_programs import SAVED, WRITTEN, our_sheet, with_openpyxl


def main() -> None:
    cache = local_dir({}) / "cache"
    excelize, sheetjs = Excelize(cache), SheetJs(cache / "sheetjs")
    with TemporaryDirectory() as folder:
        (ours := Path(folder) / "ours.xlsx").write_bytes(our_sheet())
        excelize.save(ours, SAVED / "excelize.xlsx", WRITTEN)
        excelize.save(ours, SAVED / "excelize-locked.xlsx", WRITTEN, password="peygir")
        sheetjs.save(ours, SAVED / "sheetjs.xlsx", WRITTEN)
        with_openpyxl(ours, filled := Path(folder) / "filled.xlsx", WRITTEN)
        made = Path(folder) / "libreoffice.xlsx"
        LibreOffice(Path(folder)).save(filled, made, "Calc MS Excel 2007 XML")
        (SAVED / "libreoffice.xlsx").write_bytes(made.read_bytes())


if __name__ == "__main__":
    main()
