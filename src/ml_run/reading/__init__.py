"""Files and hub data sets into rows, each with the line it stands on.

Arrow's own readers stop at the first bad line, or skip it, and cannot say which one it was (pyarrow 26, datasets 5.2);
a run must neither lose a row silently nor blame a file without naming the line. So text formats are read line by line
here; parquet goes through Arrow and hub data sets through `datasets`.
"""

from ml_run.reading.sources import read_sources, source_fingerprint
from ml_run.reading.types import Fault, RawRow, Source

__all__ = ["Fault", "RawRow", "Source", "read_sources", "source_fingerprint"]
