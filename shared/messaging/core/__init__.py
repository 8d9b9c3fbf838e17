"""The words of delivery, its errors, and what every room needs: retries, failpoints, stalls."""
