"""How follow-ups and scorecards reach people: spreadsheets, tables and a chart, in Persian."""
