// Opens a workbook with SheetJS, fills cells in and saves it, as its argument says.
import { createRequire } from "node:module";

const job = JSON.parse(process.argv[2]);
const XLSX = createRequire(`${job.client}/`)("xlsx");

const book = XLSX.readFile(job.in, { cellStyles: true, cellNF: true });
const sheet = book.Sheets[book.SheetNames[0]];
for (const { place, kind, value } of job.cells) {
  const number = kind === "share" ? { t: "n", z: "0%" } : { t: "n" };
  sheet[place] = { v: value, ...(kind === "text" ? { t: "s" } : number) };
}
XLSX.writeFile(book, job.out, { bookType: job.type, bookSST: job.shared, compression: true });
