-- Graphs that are too large for one call come in parts: nodes, groups and edges are stored under their own keys, and nobody
-- is told of them. The commit makes members of them in one step. What is not committed in time is removed without a trace.

local EXPIRES_MS = 60000
local REMOVES_MAX = 100

-- Whether a stored node is one that nobody is told of. Those that were committed are let in before the next growth begins.
function staging.hides(u, x)
  local f = flows.get_any(u, x[X.flow])
  return not f or f[F.staging] ~= ''
end

function staging.begin(u, f, hash)
  flows.touch(u, f)
  f[F.staging] = hash
  f[F.staged] = 0
  f[F.stage_expires] = u.now + EXPIRES_MS
end

-- Adds a part: the nodes of these ids, from the first on.
function staging.add(u, id, f, ids, nodes, list)
  flows.touch(u, f)
  local own = {}
  for place, node in ipairs(nodes) do
    local x = graph.add(u, id, ids[place], node, ids, list[node[1]])
    transition.set(x, 'u', '-', '-', '-', '-', '1')
    x[X.staged] = 1
    own[place] = ids[place]
  end
  u.appends[#u.appends + 1] = { flows.key(u, id, 'stage'), table.concat(own) }
  f[F.staged] = f[F.staged] + #nodes
  f[F.stage_expires] = u.now + EXPIRES_MS
end

-- What was staged becomes part of the flow, all at once. From here on each node is a member, which waits to be let in.
function staging.commit(u, id, f)
  local key = flows.key(u, id, 'stage')
  local ids = redis.call('GET', key)
  if not ids or #ids ~= 36 * f[F.staged] then call.refuse('corruption', key) end
  u.appends[#u.appends + 1] = { flows.key(u, id, 'members'), ids }
  u.gone[#u.gone + 1] = key
  local before = f[F.members]
  members.expect(u, f, f[F.staged])
  f[F.staging] = ''
  f[F.staged] = 0
  f[F.stage_expires] = 0
  release.begin(u, f, before + 1)
  release.leave(u, id, f)
end

-- Removes parts that were not committed, the last ones first, and with them a flow that was to begin with them. Answers
-- whether nothing is left.
function staging.remove(u, id, f)
  flows.touch(u, f)
  local key, first = flows.key(u, id, 'stage'), math.max(0, f[F.staged] - REMOVES_MAX)
  local text = redis.call('GET', key) or ''
  local ids = {}
  for place = first * 36 + 1, #text, 36 do ids[#ids + 1] = string.sub(text, place, place + 35) end
  record.load(u, ids, {})
  for _, each in ipairs(ids) do
    local x = u.hidden[each]
    if x then removal.execution(u, x) else removal.keys(u, each, true) end
  end
  f[F.staged] = first
  u.stages[#u.stages + 1] = { key, string.sub(text, 1, first * 36) }
  if first > 0 then return false end
  f[F.staging] = ''
  f[F.stage_expires] = 0
  if f[F.state] == 's' then flows.remove(u, f) end
  return true
end

function staging.stage(u, staged)
  for _, each in ipairs(u.stages) do
    if each[2] == '' then
      staged.unlinks[#staged.unlinks + 1] = each[1]
    else
      staged.writes[#staged.writes + 1] = each[1]
      staged.writes[#staged.writes + 1] = each[2]
    end
  end
  u.stages = {}
end
