-- Signals that are kept, numbered from 1 in the order of their arrival. A hash of their execution holds `<sequence>` → [id,
-- waitpoint or '', name, source or false, ms, suspension that used it or '', bytes of its payload or -1] packed, and
-- `p<sequence>` the payload. Members of the index, all of the same score: `a:<waitpoint>:<sequence>` for all, `w:` for those that
-- nothing has used, `s:<suspension>:<sequence>` for what one did. Another hash has `<waitpoint>:<idempotency key>` → sequence.

local PER_WAITPOINT_MAX, KEY_KEPT_MS = 10000, 86400000
local CHUNK = 500

local function key_of(u, x)
  return waits.key(u, x, 'signals')
end

local function index_of(u, x)
  return waits.key(u, x, 'signal_index')
end

local function digits(sequence)
  return string.format('%012d', sequence)
end

local function decode(key, text)
  local ok, head = pcall(cmsgpack.unpack, text or '')
  if not ok or type(head) ~= 'table' or #head ~= 7 then call.refuse('corruption', key) end
  return head
end

-- Heads of these, in their order.
function signals.heads(u, x, sequences)
  local heads, key = {}, key_of(u, x)
  for from = 1, #sequences, CHUNK do
    local fields = {}
    for place = from, math.min(from + CHUNK - 1, #sequences) do fields[#fields + 1] = string.format('%d', sequences[place]) end
    for _, text in ipairs(redis.call('HMGET', key, unpack(fields))) do heads[#heads + 1] = decode(key, text) end
  end
  return heads
end

function signals.payload(u, x, sequence)
  return redis.call('HGET', key_of(u, x), 'p' .. string.format('%d', sequence)) or ''
end

-- The id of the signal that the waitpoint got under this key, as long as that counts; or nil.
function signals.known(u, x, waitpoint, key)
  local sequence = redis.call('HGET', waits.key(u, x, 'signal_keys'), waitpoint .. ':' .. key)
  if not sequence then return nil end
  local head = signals.heads(u, x, { tonumber(sequence) })[1]
  return head[5] + KEY_KEPT_MS > u.now and head[1] or nil
end

function signals.is_full(row)
  return row[6] >= PER_WAITPOINT_MAX
end

local function put_fields(u, key)
  local hashes = flush.staged(u).hashes
  hashes[key] = hashes[key] or {}
  return hashes[key]
end

local function put_head(u, x, sequence, head)
  local fields = put_fields(u, key_of(u, x))
  fields[#fields + 1] = string.format('%d', sequence)
  fields[#fields + 1] = cmsgpack.pack(head)
  return fields
end

-- Keeps one that came to a waitpoint, whose row counts it: [id, name, key, payload or false, source or false]. `user` is the
-- suspension that it resumes, or ''.
function signals.keep(u, x, waitpoint, row, signal, user)
  local w, staged = waits.open(u, x), flush.staged(u)
  w[V.signals] = w[V.signals] + 1
  row[6] = row[6] + 1
  local sequence, payload = w[V.signals], signal[4]
  local fields = put_head(u, x, sequence, { signal[1], waitpoint, signal[2], signal[5], u.now, user, payload and #payload or -1 })
  if payload then
    fields[#fields + 1] = 'p' .. string.format('%d', sequence)
    fields[#fields + 1] = payload
  end
  staged.add(index_of(u, x), 0, 'a:' .. waitpoint .. ':' .. digits(sequence))
  staged.add(index_of(u, x), 0, (user == '' and 'w:' .. waitpoint or 's:' .. user) .. ':' .. digits(sequence))
  local keys = put_fields(u, waits.key(u, x, 'signal_keys'))
  keys[#keys + 1] = waitpoint .. ':' .. signal[3]
  keys[#keys + 1] = sequence
  return sequence
end

-- One that the engine sends itself, used by its suspension at once.
function signals.send(u, x, id, name)
  local w = waits.open(u, x)
  w[V.signals] = w[V.signals] + 1
  put_head(u, x, w[V.signals], { id, '', name, false, u.now, id, -1 })
  flush.staged(u).add(index_of(u, x), 0, 's:' .. id .. ':' .. digits(w[V.signals]))
end

-- Marks them as used by a suspension, but for one that this step keeps as such.
function signals.use(u, x, sequences, suspension, fresh)
  local staged, index, stored = flush.staged(u), index_of(u, x), {}
  for _, sequence in ipairs(sequences) do
    if sequence ~= fresh then stored[#stored + 1] = sequence end
  end
  for place, head in ipairs(signals.heads(u, x, stored)) do
    local sequence = stored[place]
    head[6] = suspension
    put_head(u, x, sequence, head)
    staged.cut(index, 'w:' .. head[2] .. ':' .. digits(sequence))
    staged.add(index, 0, 's:' .. suspension .. ':' .. digits(sequence))
  end
end

-- Whether a suspension sees all of these: nothing else has used them.
function signals.are_seen(u, x, sequences, suspension)
  for _, sequence in ipairs(sequences) do
    if sequence < 1 or sequence > x[X.waits][V.signals] then return false end
  end
  for _, head in ipairs(signals.heads(u, x, sequences)) do
    if head[6] ~= '' and head[6] ~= suspension then return false end
  end
  return true
end

local function sequence_of(member)
  return tonumber(string.sub(member, -12))
end

-- Sequences behind `from` that a suspension sees on these waitpoints, in order, at most so many.
function signals.seen(u, x, ids, suspension, from, max)
  if not x[X.waits] or x[X.waits][V.signals] <= from then return {} end
  local index, list, is_named, upto = index_of(u, x), {}, {}, nil
  for _, id in ipairs(ids) do is_named[id] = true end
  local function take(found, accepts)
    for _, member in ipairs(found) do
      local sequence = sequence_of(member)
      if accepts == nil or accepts(sequence) then list[#list + 1] = sequence end
    end
    table.sort(list)
    while #list > max do list[#list] = nil end
    if #list == max then upto = list[max] end
  end
  local function range(prefix)
    local to = upto and '(' .. prefix .. digits(upto) or '(' .. prefix .. ':'
    return redis.call('ZRANGE', index, '(' .. prefix .. digits(from), to, 'BYLEX', 'LIMIT', 0, max)
  end
  for _, id in ipairs(ids) do take(range('w:' .. id .. ':')) end
  local used = redis.call('ZRANGE', index, '(s:' .. suspension .. ':' .. digits(from), '(s:' .. suspension .. '::', 'BYLEX')
  take(used, function(sequence) return is_named[signals.heads(u, x, { sequence })[1][2]] end)
  return list
end

-- To be told: [id, waitpoint, name, source or false, ms, suspension, place of its payload or 0].
function signals.tell(u, x, sequence, head, bytes)
  local place = 0
  if head[7] >= 0 then
    bytes[#bytes + 1] = signals.payload(u, x, sequence)
    place = #bytes
  end
  return { head[1], head[2], head[3], head[4], head[5], head[6], place }
end

-- Sequences that a listing shows, from a position on, and how many there are in all. '' stands for any.
function signals.listed(u, x, waitpoint, suspension, from, limit)
  if not x[X.waits] then return {}, 0 end
  local list, index = {}, index_of(u, x)
  if waitpoint == '' and suspension == '' then
    local total = x[X.waits][V.signals]
    for sequence = from + 1, math.min(total, from + limit) do list[#list + 1] = sequence end
    return list, total
  end
  if suspension == '' then
    local low, high = '[a:' .. waitpoint .. ':', '(a:' .. waitpoint .. '::'
    for place, member in ipairs(redis.call('ZRANGE', index, low, high, 'BYLEX', 'LIMIT', from, limit)) do
      list[place] = sequence_of(member)
    end
    return list, redis.call('ZLEXCOUNT', index, low, high)
  end
  local all = signals.used(u, x, suspension)
  if waitpoint ~= '' then
    local heads, those = signals.heads(u, x, all), {}
    for place, sequence in ipairs(all) do
      if heads[place][2] == waitpoint then those[#those + 1] = sequence end
    end
    all = those
  end
  for place = from + 1, math.min(#all, from + limit) do list[#list + 1] = all[place] end
  return list, #all
end

-- Sequences that a suspension used.
function signals.used(u, x, suspension)
  local list = {}
  local found = redis.call('ZRANGE', index_of(u, x), '[s:' .. suspension .. ':', '(s:' .. suspension .. '::', 'BYLEX')
  for place, member in ipairs(found) do list[place] = sequence_of(member) end
  return list
end
