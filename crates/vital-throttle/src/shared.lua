-- One check of a sliding window (window.rs says what it is), in one step that no other check can come between.
-- KEYS[1]: the hash of the key. ARGV: burst, period in microseconds, then what the node counted while it was alone
-- (age of its window in microseconds, count before, count), all 0 where it counted nothing.
-- Returns allowed (1 or 0), remaining, wait in microseconds, and the window: age, count before, count.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local burst, per = tonumber(ARGV[1]), tonumber(ARGV[2])

local function at(start, before, count)
    local n = math.floor(math.max(now - start, 0) / per)
    if n == 0 and count + before > 0 then return start, before, count end
    if n == 1 and count > 0 then return start + per, count, 0 end
    return now, 0, 0
end

local function weigh(start, before, count)
    return count * per + before * math.max(per - math.max(now - start, 0), 0)
end

local kept = redis.call('HMGET', KEYS[1], 's', 'b', 'c')
local start, before, count = at(tonumber(kept[1] or 0), tonumber(kept[2] or 0), tonumber(kept[3] or 0))
local used = weigh(start, before, count)
local s, b, c = at(now - tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]))
local alone = weigh(s, b, c)
if alone > used then start, before, count, used = s, b, c, alone end

local allowed, remaining, wait = 0, 0, 0
if used + per <= burst * per then
    allowed, count = 1, count + 1
    remaining = math.floor((burst * per - used - per) / per)
elseif count < burst then
    wait = math.ceil((used + per - burst * per) / math.max(before, 1))
else
    wait = math.max(start + per - now, 0) + math.ceil((count * per + per - burst * per) / math.max(count, 1))
end
redis.call('HSET', KEYS[1], 's', string.format('%.0f', start), 'b', before, 'c', count)
redis.call('PEXPIRE', KEYS[1], math.ceil(per / 500))
return { allowed, remaining, wait, math.max(now - start, 0), before, count }
