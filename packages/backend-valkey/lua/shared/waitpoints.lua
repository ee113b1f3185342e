-- Waitpoints. A hash of their execution holds `<id>` → [place, name, created, expires + 1 or 0, closed, kept signals] packed,
-- and `n:<name>` → id; under a key of its own each says whose it is.

waitpoints.MAX = 1000

function waitpoints.key(u, id)
  return u.key.waitpoint .. id
end

local function key_of(u, x)
  return waits.key(u, x, 'waitpoints')
end

local function decode(key, text)
  local ok, row = pcall(cmsgpack.unpack, text)
  if not ok or type(row) ~= 'table' or #row ~= 6 then call.refuse('corruption', key) end
  return row
end

-- UUID of the execution whose waitpoint it is, or false.
function waitpoints.owner(u, id)
  return redis.call('GET', waitpoints.key(u, id))
end

-- The waitpoint of this id, or nil.
function waitpoints.read(u, x, id)
  local text = redis.call('HGET', key_of(u, x), id)
  return text and decode(key_of(u, x), text) or nil
end

-- All of an execution, oldest first: [id, row] each.
function waitpoints.all(u, x)
  if not x[X.waits] or x[X.waits][V.waitpoints] == 0 then return {} end
  local list, fields = {}, redis.call('HGETALL', key_of(u, x))
  for place = 1, #fields, 2 do
    if string.sub(fields[place], 1, 2) ~= 'n:' then
      list[#list + 1] = { fields[place], decode(key_of(u, x), fields[place + 1]) }
    end
  end
  table.sort(list, function(one, other) return one[2][1] < other[2][1] end)
  return list
end

function waitpoints.ids(u, x)
  local ids = {}
  for place, each in ipairs(waitpoints.all(u, x)) do ids[place] = each[1] end
  return ids
end

-- o open, c closed, e expired. Those of what has ended are closed, until it is replayed; time needs nobody to pass.
function waitpoints.state(u, x, row)
  if row[5] == 1 then return 'c' end
  if row[4] > 0 and row[4] - 1 <= u.now then return 'e' end
  return state.is_terminal(x) and 'c' or 'o'
end

-- To be told: [id, name, state, created, expires, signals].
function waitpoints.tell(u, x, id, row)
  return { id, row[2], waitpoints.state(u, x, row), row[3], row[4], row[6] }
end

-- Whether the id or the name is another's; else also the waitpoint, if it is there.
function waitpoints.look(u, x, id, name)
  local owner = waitpoints.owner(u, id)
  if owner and owner ~= record.id(u, x) then return true end
  local named = redis.call('HGET', key_of(u, x), 'n:' .. name)
  if named and named ~= id then return true end
  local row = waitpoints.read(u, x, id)
  return row ~= nil and row[2] ~= name, row
end

function waitpoints.put(u, x, id, row)
  local hashes = flush.staged(u).hashes
  local fields = hashes[key_of(u, x)] or {}
  hashes[key_of(u, x)] = fields
  fields[#fields + 1] = id
  fields[#fields + 1] = cmsgpack.pack(row)
  return fields
end

-- A new one. `expires` is the time + 1, or 0 for never.
function waitpoints.add(u, x, id, name, expires)
  local w = waits.open(u, x)
  w[V.waitpoints] = w[V.waitpoints] + 1
  local row = { call.next_seq(u), name, u.now, expires, 0, 0 }
  local fields = waitpoints.put(u, x, id, row)
  fields[#fields + 1] = 'n:' .. name
  fields[#fields + 1] = id
  local writes = flush.staged(u).writes
  writes[#writes + 1] = waitpoints.key(u, id)
  writes[#writes + 1] = record.id(u, x)
  return row
end

-- Closes those of these that are open. What the step changes of them otherwise is in `rows`, by id.
function waitpoints.close(u, x, ids, rows)
  for _, id in ipairs(ids) do
    local row = rows[id] or waitpoints.read(u, x, id)
    if row and waitpoints.state(u, x, row) == 'o' then
      row[5] = 1
      waitpoints.put(u, x, id, row)
    end
  end
end

-- Its execution and itself. Throws `not_found`, also for another namespace's.
function waitpoints.find(u, namespace, id)
  local owner = waitpoints.owner(u, id)
  if not owner then call.refuse('not_found', id) end
  local x = operators.find(u, namespace, owner)
  local row = waitpoints.read(u, x, id)
  if row == nil then call.refuse('corruption', waitpoints.key(u, id)) end
  return x, row
end
