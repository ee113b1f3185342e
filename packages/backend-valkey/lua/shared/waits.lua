-- What an execution keeps that is somebody's child or parent, or ever had a waitpoint or a suspension: a list at the end of its
-- record, and keys of its own. Most executions have neither.

local PARTS = { 'suspension', 'waitpoints', 'signals', 'signal_index', 'signal_keys' }
local PARTS_OF_FAMILY = { 'children', 'to_stop' }

function waits.key(u, x, part)
  return record.payload_key(u, record.id(u, x), part)
end

-- To be changed.
function waits.open(u, x)
  transition.touch(u, x)
  if not x[X.waits] then x[X.waits] = { '', 0, 0, 0, 0, '', '', '', 0, 0, '', 0, 1, 0, 0, '' } end
  return x[X.waits]
end

local function unlink(u, x, parts)
  local unlinks = flush.staged(u).unlinks
  for _, part in ipairs(parts) do unlinks[#unlinks + 1] = waits.key(u, x, part) end
end

local function unlink_own(u, x)
  local unlinks = flush.staged(u).unlinks
  for _, id in ipairs(waitpoints.ids(u, x)) do unlinks[#unlinks + 1] = waitpoints.key(u, id) end
  unlink(u, x, PARTS)
end

-- For a fork: what its handlers waited for goes, what it knows of others stays.
function waits.clear(u, x)
  unlink_own(u, x)
  local w = waits.open(u, x)
  w[V.waitpoints], w[V.signals], w[V.id], w[V.state] = 0, 0, '', ''
end

-- Goes with its execution. Who is to be told of its end outlives it: see `family`.
function waits.remove(u, x)
  unlink_own(u, x)
  unlink(u, x, PARTS_OF_FAMILY)
end
