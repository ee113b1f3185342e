--- A namespace's flows in the partition, newest first, from behind a position on: up to `want` that match, of a few hundred
-- that are looked at. Says how far it came. Of each its record comes along, and its newest summary or nothing.
-- @flags no-writes
-- @args namespace: string, classes: string[], beforeMs: int, beforeId: string, sinceMs: int, want: int, states: string[],
--   tags: [key: string, value: string][], name: string, endedFromMs: number, endedBeforeMs: number
-- @reply [ids: string[], reachedMs: number, reachedId: string, isEnd: boolean]
-- @errors corruption schema_mismatch
local LOOK_MAX = 400

local function matches(f, states, tags, name, ended_from, ended_before)
  if name ~= '' and f[F.name] ~= name then return false end
  if not filter.ended_within(f[F.ended], ended_from, ended_before) then return false end
  if #states > 0 then
    local is_one = false
    for _, letter in ipairs(states) do is_one = is_one or letter == f[F.state] end
    if not is_one then return false end
  end
  if #tags == 0 then return true end
  local own = f[F.tags] == '' and {} or cjson.decode(f[F.tags])
  for _, tag in ipairs(tags) do
    if own[tag[1]] ~= tag[2] then return false end
  end
  return true
end

return function(u, a)
  local keys, ids, bytes = {}, {}, {}
  for place, class in ipairs(a[2]) do keys[place] = u.key.idx .. 'flows:' .. class .. ':' .. a[1] end
  local reached, is_end = listing.walk(keys, { a[3], a[4] }, a[5], LOOK_MAX,
    function(found) flows.load(u, found) end,
    function(id)
      local f = flows.get(u, id)
      if f and f[F.ns] == a[1] and matches(f, a[7], a[8], a[9], a[10], a[11]) then
        ids[#ids + 1] = id
        bytes[#bytes + 1] = cmsgpack.pack(f)
        bytes[#bytes + 1] = redis.call('GET', flows.key(u, id, 'summary')) or ''
      end
      return #ids == a[6]
    end)
  return { ids, reached[1], reached[2], is_end }, bytes
end
