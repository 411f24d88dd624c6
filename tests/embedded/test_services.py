"""The embedded Kafka and Redis on their own."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from redis.asyncio import Redis


async def test_kafka_takes_and_gives_a_record(kafka: str, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    await admin.create_topics([NewTopic(topic_prefix + "x", 1, 1)])
    await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka, transactional_id=topic_prefix + "p") as producer,
        producer.transaction(),
    ):
        await producer.send_and_wait(topic_prefix + "x", b"hello")
    async with AIOKafkaConsumer(
        topic_prefix + "x",
        bootstrap_servers=kafka,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    ) as consumer:
        assert (await consumer.getone()).value == b"hello"


async def test_redis_answers(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.ping()
