"""The directory from a file or the API: read with every fault named, compared, shown and published."""
