-- Frames that attempts emitted. An execution that has any has a hash of heads: attempt → a head, packed, and `d<attempt>` → the
-- document of its patches; and two streams, of durable frames and of the others, by ids `<attempt>-<number + 1>`, so that one
-- range goes on across attempts.

local CHUNK = 32

function streams.keys(u, id)
  local key = u.key.stream .. id
  return key, key .. ':capped', key .. ':heads'
end

local function id_of(attempt, number)
  return string.format('%d-%d', attempt, number + 1)
end

-- What this call changes of the streams of an execution.
local function changes_of(u, id)
  u.streams = u.streams or {}
  local changes = u.streams[id]
  if changes == nil then
    changes = { id = id, heads = {}, fields = {}, adds = { {}, {} }, cuts = {} }
    u.streams[id] = changes
  end
  return changes
end

-- The head of an attempt's stream; that of an empty one where it has none.
function streams.head(u, id, attempt)
  local _, _, key = streams.keys(u, id)
  local known = u.streams and u.streams[id] and u.streams[id].heads[attempt]
  if known then return known end
  local text = redis.call('HGET', key, string.format('%d', attempt))
  if not text then return { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 } end
  local ok, head = pcall(cmsgpack.unpack, text)
  if not ok or type(head) ~= 'table' or #head ~= 10 then call.refuse('corruption', key) end
  return head
end

-- The document of an attempt, or false.
function streams.document(u, id, attempt)
  local _, _, key = streams.keys(u, id)
  return redis.call('HGET', key, string.format('d%d', attempt))
end

-- Mode, type, time and frame of an entry, as `append` wrote it.
local function fields_of(key, entry)
  local fields = entry[2]
  if #fields ~= 8 or fields[1] ~= 'm' or not tonumber(fields[6]) then call.refuse('corruption', key) end
  return fields[2], fields[4], tonumber(fields[6]), fields[8]
end

-- Frames of other modes go as the next come, the oldest first, until what is left is within the bounds.
local function trim(u, changes, attempt, head, bounds)
  local _, key = streams.keys(u, changes.id)
  local from = string.format('%d', attempt)
  while true do
    local entries = redis.call('XRANGE', key, from, string.format('%d', attempt), 'COUNT', CHUNK)
    for _, entry in ipairs(entries) do
      local _, _, at, frame = fields_of(key, entry)
      if head[H.capped] <= bounds[1] and head[H.capped_bytes] <= bounds[2] and u.now - at <= bounds[3] then return end
      changes.cuts[#changes.cuts + 1] = entry[1]
      head[H.capped] = head[H.capped] - 1
      head[H.capped_bytes] = head[H.capped_bytes] - #frame
    end
    if #entries < CHUNK then return end
    from = '(' .. entries[#entries][1]
  end
end

-- Appends frames, [number, mode, type or false, place of its bytes] each. `head` becomes the stream's; `document` is false where
-- no patch came; `bounds` are those of capped frames: how many, their bytes, their age.
function streams.append(u, id, attempt, head, document, frames, bounds)
  local changes = changes_of(u, id)
  for _, each in ipairs(frames) do
    local number, mode, kind, bytes = each[1], each[2], each[3], call.bytes(u, each[4])
    if not bytes then call.refuse('invalid_arguments', 'a frame has no bytes') end
    local list = changes.adds[mode == 'd' and 1 or 2]
    list[#list + 1] = { id_of(attempt, number), mode, kind or '', bytes }
    if mode ~= 'd' then
      head[H.capped] = head[H.capped] + 1
      head[H.capped_bytes] = head[H.capped_bytes] + #bytes
    end
  end
  head[H.written] = u.now
  if head[H.capped] > 0 then trim(u, changes, attempt, head, bounds) end
  changes.heads[attempt] = head
  local fields = changes.fields
  fields[#fields + 1] = string.format('%d', attempt)
  fields[#fields + 1] = cmsgpack.pack(head)
  if document then
    fields[#fields + 1] = string.format('d%d', attempt)
    fields[#fields + 1] = document
  end
  hints.frames(u, id)
end

-- ---- Reading

local function open_range(key, from, to)
  return { key = key, from = from, to = to, entries = {}, at = 1, is_over = false }
end

-- The next entry of a range, with its attempt and number; or nil.
local function peek(range)
  if range.at > #range.entries and not range.is_over then
    range.entries = redis.call('XRANGE', range.key, range.from, range.to, 'COUNT', CHUNK)
    range.at = 1
    range.is_over = #range.entries < CHUNK
    if #range.entries > 0 then range.from = '(' .. range.entries[#range.entries][1] end
  end
  local entry = range.entries[range.at]
  if entry == nil then return nil end
  local attempt, number = string.match(entry[1], '^(%d+)%-(%d+)$')
  return entry, tonumber(attempt), tonumber(number) - 1
end

-- Frames from one of an attempt on, also of later attempts if `across`; both streams merged, until there are `limit` of them or
-- more than `bytes_max` bytes. Answers [attempt, number, mode, type, ms, place] each, the frames, and whether there are more.
function streams.read(u, id, attempt, from, limit, across, bytes_max)
  local durable, capped = streams.keys(u, id)
  local to = across and '+' or string.format('%d', attempt)
  local ranges = { open_range(durable, id_of(attempt, from), to), open_range(capped, id_of(attempt, from), to) }
  local rows, bytes, size = {}, {}, 0
  while true do
    local best, of, number, range
    for _, each in ipairs(ranges) do
      local entry, its_attempt, its_number = peek(each)
      if entry and (best == nil or its_attempt < of or (its_attempt == of and its_number < number)) then
        best, of, number, range = entry, its_attempt, its_number, each
      end
    end
    if best == nil then return rows, bytes, false end
    local mode, kind, at, frame = fields_of(range.key, best)
    size = size + #frame
    if #rows == limit or (#rows > 0 and size > bytes_max) then return rows, bytes, true end
    bytes[#bytes + 1] = frame
    rows[#rows + 1] = { of, number, mode, kind, at, #bytes }
    range.at = range.at + 1
  end
end

-- ---- Part of the flush

function streams.stage(u, staged)
  for _, changes in pairs(u.streams) do
    local _, _, key = streams.keys(u, changes.id)
    staged.hashes[key] = changes.fields
  end
end

-- Ids only rise: one that does not would fail half-way.
local function probe_adds(key, adds)
  if #adds == 0 then return end
  local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if last == nil then return end
  local attempt, number = string.match(last[1], '^(%d+)%-(%d+)$')
  local new_attempt, new_number = string.match(adds[1][1], '^(%d+)%-(%d+)$')
  attempt, number, new_attempt, new_number = tonumber(attempt), tonumber(number), tonumber(new_attempt), tonumber(new_number)
  if attempt > new_attempt or (attempt == new_attempt and number >= new_number) then call.refuse('corruption', key) end
end

function streams.probe(u)
  for _, changes in pairs(u.streams) do
    local durable, capped = streams.keys(u, changes.id)
    probe_adds(durable, changes.adds[1])
    probe_adds(capped, changes.adds[2])
  end
end

function streams.write(u)
  local at = string.format('%.0f', u.now)
  for _, changes in pairs(u.streams) do
    local durable, capped = streams.keys(u, changes.id)
    for place, key in ipairs({ durable, capped }) do
      for _, add in ipairs(changes.adds[place]) do
        redis.call('XADD', key, add[1], 'm', add[2], 't', add[3], 'a', at, 'f', add[4])
      end
    end
    for from = 1, #changes.cuts, 1000 do
      redis.call('XDEL', capped, unpack(changes.cuts, from, math.min(from + 999, #changes.cuts)))
    end
  end
  u.streams = nil
end
