-- For calls that choose by themselves what they work on: one unreadable record must not stop its neighbours.

-- Runs it. Answers whether it could, and its answer or why not. Only what does not decode is caught; other errors go on.
function sound.try(work, ...)
  local ok, answer = pcall(work, ...)
  if ok then return true, answer end
  local is_table = type(answer) == 'table'
  if is_table and (answer.ff == 'corruption' or string.find(answer.err or '', 'WRONGTYPE', 1, true)) then return false, answer end
  error(answer, 0)
end

-- As `load` of a module that keeps what it read in `cache`. What does not decode remains unread, so that whoever needs it meets
-- the error.
local function load_each(u, cache, load, ids)
  if sound.try(load, u, ids) then return end
  for _, id in ipairs(ids) do
    if not cache[id] then cache[id] = nil end
  end
  for _, id in ipairs(ids) do
    if not sound.try(load, u, { id }) then cache[id] = nil end
  end
end

-- Answers by id which ones do not decode.
function sound.records(u, ids)
  local bad = {}
  record.load(u, ids, bad)
  return bad
end

function sound.flows(u, ids)
  load_each(u, u.flows, flows.load, ids)
end

function sound.groups(u, ids)
  load_each(u, u.groups, groups.load, ids)
end
