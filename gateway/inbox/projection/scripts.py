"""The Lua scripts: each runs in Redis as one step, so that no reader sees half of a change.

Every script first compares the store's generation: after a flush, or when a new generation was begun,
nothing is read or written under the old one.
"""

from __future__ import annotations

# KEYS: generation, summary, items, ids, received, tickets, then one per list
# ARGV: generation, expected seq, new seq, conversation id, summary JSON,
#       number of items, (seq, JSON)…, number of ids, (id, seq)…, number of received, seq…,
#       number of tickets, (number, JSON)…, score or "" per list
APPLY = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
local have = tonumber(redis.call('HGET', KEYS[2], 'seq') or '0')
if have >= tonumber(ARGV[3]) then return 'older' end
if have ~= tonumber(ARGV[2]) then return 'moved' end
redis.call('HSET', KEYS[2], 'seq', ARGV[3], 'row', ARGV[5])
local at = 6
for _ = 1, tonumber(ARGV[at]) do
  if tonumber(ARGV[at + 1]) <= have then
    redis.call('ZREMRANGEBYSCORE', KEYS[3], ARGV[at + 1], ARGV[at + 1])
  end
  redis.call('ZADD', KEYS[3], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('HSET', KEYS[4], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('ZADD', KEYS[5], ARGV[at + 1], ARGV[at + 1])
  at = at + 1
end
at = at + 1
for _ = 1, tonumber(ARGV[at]) do
  redis.call('HSET', KEYS[6], ARGV[at + 1], ARGV[at + 2])
  at = at + 2
end
for n = 7, #KEYS do
  local score = ARGV[at + n - 6]
  if score == '' then redis.call('ZREM', KEYS[n], ARGV[4])
  else redis.call('ZADD', KEYS[n], score, ARGV[4]) end
end
return 'done'
"""

# KEYS: generation, positions, ready; ARGV: generation, member, from, to, "1" if caught up, channel, news
ADVANCE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
if (redis.call('HGET', KEYS[2], ARGV[2]) or '0') ~= ARGV[3] then return 'moved' end
redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
if ARGV[5] == '1' then redis.call('SADD', KEYS[3], ARGV[2]) end
if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
return 'done'
"""

# KEYS: summary, items, ids; ARGV: refs, each a message id or #seq. Returns the row, then one item (or false) each.
LOAD = """
local found = {redis.call('HGET', KEYS[1], 'row')}
for n, ref in ipairs(ARGV) do
  local seq
  if string.sub(ref, 1, 1) == '#' then seq = string.sub(ref, 2) else seq = redis.call('HGET', KEYS[3], ref) end
  local item = seq and redis.call('ZRANGEBYSCORE', KEYS[2], seq, seq)[1]
  found[n + 1] = item or false
end
return found
"""

# KEYS: cursors of the agent, then summary and received of each conversation; ARGV: the conversation ids.
# Returns row and unread of each.
SUMMARIES = """
local found = {}
for n, id in ipairs(ARGV) do
  local cursor = redis.call('HGET', KEYS[1], id) or '0'
  found[2 * n - 1] = redis.call('HGET', KEYS[2 * n], 'row')
  found[2 * n] = redis.call('ZCOUNT', KEYS[2 * n + 1], '(' .. cursor, '+inf')
end
return found
"""

# KEYS: generation, hash; ARGV: generation, field, number. The larger number stays.
MAXIMUM = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 'lost' end
if tonumber(ARGV[3]) > tonumber(redis.call('HGET', KEYS[2], ARGV[2]) or '-1') then
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
end
return 'done'
"""

ALL = {"apply": APPLY, "advance": ADVANCE, "load": LOAD, "summaries": SUMMARIES, "maximum": MAXIMUM}
