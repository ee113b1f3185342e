-- What a judgement of a whole graph looks at of a member: how a flow ends, what a replay reopens, how long its longest
-- chain of runs was.

local function add_run(attempt, sum)
  if attempt[A.ended] == 0 then return sum end
  return sum + attempt[A.ended] - attempt[A.started]
end

-- Recorded run times of all attempts, and when the first one started or 0.
local function runs(u, id, x)
  local last = x[X.attempt]
  if last == 0 then return 0, 0 end
  local sum, first = add_run(last, 0), last[A.started]
  if x[X.attempts] > 1 then
    for _, text in ipairs(redis.call('HVALS', attempts.key(u, id))) do
      local ok, attempt = pcall(cmsgpack.unpack, text)
      if not ok or type(attempt) ~= 'table' then call.refuse('corruption', attempts.key(u, id)) end
      sum = add_run(attempt, sum)
      first = math.min(first, attempt[A.started])
    end
  end
  return sum, first
end

-- Read for this answer alone: nothing is kept of it.
local function read(u, id, text)
  local ok, _, x = pcall(cmsgpack.unpack_one, text or '', 4)
  if not ok or type(x) ~= 'table' or type(x[X.capped]) ~= 'number' or (x[X.staged] == 1 and staging.hides(u, x)) then
    call.refuse('corruption', record.key(u, id))
  end
  return x
end

local function upstreams_of(u, id)
  local ids = {}
  for place, edge in ipairs(groups.ins(u, id)) do ids[place] = edge[1] end
  return table.concat(ids)
end

-- Of members, in the order of their ids: [id, public state, outcome, cause, waits for its group?, replays, name, has
-- downstreams?, ran in this generation?, group: [kind, run on, state] or 0, upstreams in one text, run time, first start, generation].
function facts.of(u, ids)
  local texts, joins, list = record.fetch(u, ids), {}, {}
  groups.load(u, ids)
  for _, id in ipairs(ids) do
    if u.groups[id] then joins[#joins + 1] = id end
  end
  groups.load_ins(u, joins)
  for place, id in ipairs(ids) do
    local x, g = read(u, id, texts[place]), u.groups[id]
    local last = x[X.attempt]
    local run_ms, first = runs(u, id, x)
    list[place] = {
      id, state.public(x), x[X.out], x[X.cause], x[X.deps], x[X.replays], x[X.name], x[X.outs],
      last ~= 0 and last[A.generation] == x[X.generation] and 1 or 0,
      g and { g[G.kind], g[G.run_on], g[G.state] } or 0, g and upstreams_of(u, id) or '', run_ms, first, x[X.generation],
    }
  end
  return list
end
