"""The data types of which the simulated wearer has documents."""

from ringlet._person.person import DOCUMENTS, SERIES

WRITTEN_TYPES = {*DOCUMENTS, *SERIES, "personal_info"}
