-- What handlers noted as they went: a hash for each execution that has a journal. '#' holds how many entries and bytes there
-- are, `n:<name>` the place of an entry, and `s:<place>` the entry: a length, [name, type, attempt, ms, bytes of its result or
-- -1] packed, and the result.

local ENTRIES_MAX = 1000
local BYTES_MAX = 8388608

local function key_of(u, id)
  return u.key.exec .. id .. ':journal'
end

-- The journal as this call knows it. Its size is read once.
local function open(u, x)
  u.journals = u.journals or {}
  local id = record.id(u, x)
  local journal = u.journals[id]
  if journal then return journal end
  journal = { id = id, count = 0, bytes = 0, names = {}, fields = {} }
  if x[X.journal] == 1 then
    local text = redis.call('HGET', key_of(u, id), '#')
    local count, bytes = string.match(text or '', '^(%d+) (%d+)$')
    if count == nil then call.refuse('corruption', key_of(u, id)) end
    journal.count, journal.bytes = tonumber(count), tonumber(bytes)
  end
  u.journals[id] = journal
  return journal
end

local function decode(u, id, text)
  local ok, head = pcall(struct.unpack, '>I4', text or '')
  local entry, read
  if ok then ok, read, entry = pcall(cmsgpack.unpack_one, text, 4) end
  if not ok or type(entry) ~= 'table' or type(entry[5]) ~= 'number' or #text ~= 4 + head + math.max(0, entry[5]) then
    call.refuse('corruption', key_of(u, id))
  end
  return entry
end

-- The entry of that name as it is stored, or nil; and its type.
function journals.find(u, x, name)
  local journal = open(u, x)
  local text = journal.names[name]
  if text == nil and x[X.journal] == 1 then
    local place = redis.call('HGET', key_of(u, journal.id), 'n:' .. name)
    if place then text = redis.call('HGET', key_of(u, journal.id), 's:' .. place) or '' end
  end
  if text == nil then return nil end
  return text, decode(u, journal.id, text)[2]
end

-- Appends an entry; `result` is false for none. Answers it as it is stored, or nil when the journal is full.
function journals.append(u, x, name, kind, result)
  local journal = open(u, x)
  local size = result and #result or 0
  if journal.count >= ENTRIES_MAX or journal.bytes + size > BYTES_MAX then return nil end
  journal.count, journal.bytes = journal.count + 1, journal.bytes + size
  local head = cmsgpack.pack({ name, kind, x[X.attempt][A.index], u.now, result and #result or -1 })
  local text = struct.pack('>I4', #head) .. head .. (result or '')
  journal.names[name] = text
  local fields, place = journal.fields, string.format('%d', journal.count)
  for _, value in ipairs({ 'n:' .. name, place, 's:' .. place, text }) do fields[#fields + 1] = value end
  if x[X.journal] == 0 then
    transition.touch(u, x)
    x[X.journal] = 1
  end
  return text
end

-- How many entries there are, and how many bytes their results have.
function journals.size(u, x)
  if x[X.journal] == 0 then return 0, 0 end
  local journal = open(u, x)
  return journal.count, journal.bytes
end

-- Entries of these places, as they are stored, and of each how long its result is.
function journals.read(u, x, from, to)
  local fields = {}
  for place = from, to do fields[#fields + 1] = 's:' .. string.format('%d', place) end
  if #fields == 0 then return {}, {} end
  local id = record.id(u, x)
  local list, sizes = redis.call('HMGET', key_of(u, id), unpack(fields)), {}
  for place, text in ipairs(list) do sizes[place] = math.max(0, decode(u, id, text)[5]) end
  return list, sizes
end

function journals.stage(u, staged)
  if not call.has(u, 'journals') then return end
  for _, journal in pairs(u.journals) do
    local fields = journal.fields
    if #fields > 0 then
      fields[#fields + 1] = '#'
      fields[#fields + 1] = string.format('%d %d', journal.count, journal.bytes)
      staged.hashes[key_of(u, journal.id)] = fields
    end
  end
  u.journals = nil
end
