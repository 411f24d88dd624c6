"""Kafka: the topic catalogue, the producer, the transactional partition loop, replicas, consumers, dead letters.

The bus carries bytes; what they mean is the business of `gateway.wire` and of whoever uses the bus.
"""
