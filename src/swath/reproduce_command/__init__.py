"""The command `swath-reproduce`: runs trained again and compared, bit for bit."""
