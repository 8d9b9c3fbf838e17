"""The data types of delivery, its errors, and shared tools: retries, failpoints, stalls."""
