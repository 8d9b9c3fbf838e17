// Opens a workbook, fills cells in and saves it, as its argument says; for tests alone.
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/xuri/excelize/v2"
)

type cell struct {
	Place string
	Kind  string // "text", "number" or "share"
	Value any
}

type job struct {
	In       string
	Out      string
	Password string
	Cells    []cell
}

func main() {
	var told job
	must(json.Unmarshal([]byte(os.Args[1]), &told))
	book, err := excelize.OpenFile(told.In)
	must(err)
	sheet := book.GetSheetName(0)
	percent, err := book.NewStyle(&excelize.Style{NumFmt: 9})
	must(err)
	for _, cell := range told.Cells {
		must(book.SetCellValue(sheet, cell.Place, cell.Value))
		if cell.Kind == "share" {
			must(book.SetCellStyle(sheet, cell.Place, cell.Place, percent))
		}
	}
	must(book.SaveAs(told.Out, excelize.Options{Password: told.Password}))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
