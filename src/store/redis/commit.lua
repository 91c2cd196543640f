-- Checks every condition, then makes every operation. Answers 0, or which condition does not hold,
-- counted from 1, or -1 where nobody waits for the answer any more, and has then changed nothing.
--
-- KEYS: those of the conditions, then those of the operations.
-- ARGV: the last millisecond since 1970 by this server's clock in which somebody waits, the time in
-- seconds, the number of conditions, then for each condition "absent" or "is" and a value, and for
-- each operation "put", a record and its milliseconds, "keep" and a record that has no end, or
-- "delete".
local clock = redis.call('TIME')
if clock[1] * 1000 + clock[2] / 1000 > tonumber(ARGV[1]) then
  return -1
end
local now = tonumber(ARGV[2])
local conditions = tonumber(ARGV[3])
local at = 4
for i = 1, conditions do
  local stored = redis.call('GET', KEYS[i])
  local value = false
  if stored then
    local gap = string.find(stored, ' ', 1, true)
    if not gap then
      return redis.error_reply('ERR ' .. KEYS[i] .. ' is not a record of certbound')
    end
    local ends = string.sub(stored, 1, gap - 1)
    if ends == '-' or tonumber(ends) > now then
      value = string.sub(stored, gap + 1)
    end
  end
  if ARGV[at] == 'absent' then
    if value then
      return i
    end
    at = at + 1
  else
    if value ~= ARGV[at + 1] then
      return i
    end
    at = at + 2
  end
end
for i = conditions + 1, #KEYS do
  if ARGV[at] == 'put' then
    redis.call('SET', KEYS[i], ARGV[at + 1], 'PX', ARGV[at + 2])
    at = at + 3
  elseif ARGV[at] == 'keep' then
    redis.call('SET', KEYS[i], ARGV[at + 1])
    at = at + 2
  else
    redis.call('DEL', KEYS[i])
    at = at + 1
  end
end
return 0
