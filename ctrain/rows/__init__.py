"""The row log: segments by event date, label join, retention."""

from ctrain.rows.logs import ParquetRowLogs

__all__ = ["ParquetRowLogs"]
