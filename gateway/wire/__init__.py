"""How records look on the wire: Avro schemas from the domain types, binary codec, framing, headers."""
