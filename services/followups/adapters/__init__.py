"""What people see of follow-ups, in Persian: spreadsheets, scorecards, pictures and messages."""
