--- Looks at some entries of the partition's indexes, from a place in one of them on, and at the records that they are about. What
-- is found is set right, or named. `vectors` are the states of the executions it looked at. `index` is '' after the last, and
-- `cursor` '' after the last entry of one. `parked` are refused heads of lines that have waited for long, by what refused them.
-- @flags allow-oom
-- @brings nothing
-- @args index: string, cursor: string, max: int
-- @reply [findings: [word: string, kind: string, id: string, finding: string][], vectors: [id: string, letters: string][], index: string, cursor: string, looked: int, parked: [line: string, letter: string, id: string, key: string, token: string][]]
-- @errors corruption schema_mismatch invalid_arguments
local NIL_ID = '00000000-0000-0000-0000-000000000000'
local LETTERS = { open = 'wmdbqas', ended = 'ck', bad = 'fxe' }

-- Names of all indexes, in order.
local function names_of(u)
  local names, namespaces = { 'flow_index', 'timers', 'unprojected' }, {}
  for _, rid in ipairs(redis.call('HKEYS', u.key.idx .. 'routes')) do
    names[#names + 1] = 'ready:' .. rid
    local is_sound, route = sound.try(routes.of, u, rid)
    if is_sound then namespaces[route.ns] = true end
  end
  for ns in pairs(namespaces) do
    for _, name in ipairs({ 'flows:ended:', 'flows:open:', 'list:bad:', 'list:ended:', 'list:open:' }) do
      names[#names + 1] = name .. ns
    end
  end
  table.sort(names)
  return names
end

-- Counts of a namespace against its listings.
local function check_counts(u, ns)
  local sums = { open = 0, ended = 0, bad = 0 }
  local counts = redis.call('HGETALL', u.key.idx .. 'counts')
  for place = 1, #counts, 2 do
    local rid, letter = string.match(counts[place], '^(.+)%.(%a)$')
    local is_sound, route = sound.try(routes.of, u, rid or '')
    if is_sound and route.ns == ns then
      for class, letters in pairs(LETTERS) do
        if string.find(letters, letter, 1, true) then sums[class] = sums[class] + tonumber(counts[place + 1]) end
      end
    end
  end
  for _, class in ipairs({ 'open', 'ended', 'bad' }) do
    local key = u.key.idx .. 'list:' .. class .. ':' .. ns
    if redis.call('ZCARD', key) ~= sums[class] then
      local newest = redis.call('ZREVRANGE', key, 0, 0)[1] or NIL_ID
      u.findings[#u.findings + 1] = {
        'violation', 'x', newest, 'the counts of namespace ' .. ns .. ' are not those of its listing ' .. class,
      }
    end
  end
end

-- Whether a route with claimable executions is among those that have some.
local function check_ready_index(u, rid)
  local head = redis.call('ZRANGE', u.key.idx .. 'ready:' .. rid, 0, 0)[1] or (u.lines and lines.first(u, rid)[1])
  head = head or nil
  local is_known = redis.call('SISMEMBER', u.key.idx .. 'ready_index', rid) == 1
  if (head ~= nil) == is_known then return end
  u.repairs[#u.repairs + 1] = { head and 'SADD' or 'SREM', u.key.idx .. 'ready_index', rid }
  if head then u.findings[#u.findings + 1] = { 'repaired', 'x', string.sub(head, 12), 'its route was not among those with work' } end
end

local function begin(u, name)
  local ns, rid = string.match(name, '^list:open:(.+)$'), string.match(name, '^ready:(.+)$')
  if ns then check_counts(u, ns) end
  if rid then check_ready_index(u, rid) end
end

return function(u, a)
  if #a[2] > 19 or string.find(a[2], '%D') then call.refuse('invalid_arguments', 'a cursor') end
  u.findings, u.vectors, u.checked, u.bad, u.refused_heads = {}, {}, {}, {}, {}
  local name, cursor, looked = a[1], a[2], 0
  for _, each in ipairs(names_of(u)) do
    if each > name then
      name, cursor = each, '0'
      begin(u, name)
    end
    while each == name and cursor ~= '' and looked < a[3] do
      local page = redis.call('ZSCAN', u.key.idx .. name, cursor, 'COUNT', math.max(1, math.min(100, a[3] - looked)))
      local members = {}
      for place = 1, #page[2], 2 do members[#members + 1] = page[2][place] end
      reconcile.entries(u, name, members)
      looked = looked + #members
      cursor = page[1] == '0' and '' or page[1]
    end
    if looked >= a[3] then
      flush.run(u)
      return { u.findings, u.vectors, name, cursor, looked, u.refused_heads }
    end
  end
  flush.run(u)
  return { u.findings, u.vectors, '', '', looked, u.refused_heads }
end
