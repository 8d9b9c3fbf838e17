"""How scorecards reach people: tables and a chart, in Persian."""
