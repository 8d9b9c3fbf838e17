// Opens a workbook, fills cells in and saves it, as its argument says; only for tests.
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
	var todo job
	must(json.Unmarshal([]byte(os.Args[1]), &todo))
	book, err := excelize.OpenFile(todo.In)
	must(err)
	sheet := book.GetSheetName(0)
	percent, err := book.NewStyle(&excelize.Style{NumFmt: 9})
	must(err)
	for _, cell := range todo.Cells {
		must(book.SetCellValue(sheet, cell.Place, cell.Value))
		if cell.Kind == "share" {
			must(book.SetCellStyle(sheet, cell.Place, cell.Place, percent))
		}
	}
	must(book.SaveAs(todo.Out, excelize.Options{Password: todo.Password}))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
