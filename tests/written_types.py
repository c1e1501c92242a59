"""The data types that the simulated wearer writes: every row of the table, but those added since."""

from ringlet._person.person import DOCUMENTS, SERIES

WRITTEN_TYPES = {*DOCUMENTS, *SERIES, "personal_info"}
