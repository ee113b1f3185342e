-- Which executions a listing or a count is about: [lane, kind, letters of states, flow, tags, ended from, ended before, budget], each
-- empty for any, and a time negative. `tags` are pairs of key and value.

local LANE, KIND, STATES, FLOW, TAGS, ENDED_FROM, ENDED_BEFORE, BUDGET = 1, 2, 3, 4, 5, 6, 7, 8

local function tags_of(x)
  local text = x[X.tags]
  if text ~= '' then
    local ok, tags = pcall(cjson.decode, text)
    return ok and tags or {}
  end
  if x[X.spec] == '' then return {} end
  local ok, spec = pcall(cjson.decode, x[X.spec])
  return ok and spec.tags or {}
end

local function has_tags(x, wanted)
  if #wanted == 0 then return true end
  local tags = tags_of(x)
  for _, pair in ipairs(wanted) do
    if tags[pair[1]] ~= pair[2] then return false end
  end
  return true
end

local function names(x, budget)
  for _, each in ipairs(x[X.demands] and x[X.demands][D.budgets] or {}) do
    if each[1] == budget then return true end
  end
  return false
end

-- Whether an end lies within the bounds; 0 is none.
function filter.ended_within(at, from, before)
  if from >= 0 and (at == 0 or at < from) then return false end
  return before < 0 or (at ~= 0 and at < before)
end

-- What it is counted apart by: 'lane', 'kind' or 'state', of which it answers the letter; '' for nothing.
function filter.group(u, x, by)
  if by == '' then return '' end
  if by == 'state' then return state.public(x) end
  local route = routes.of(u, x[X.rid])
  return by == 'lane' and route.lane or route.kind
end

-- [name, count] of each.
function filter.groups(sums)
  local groups = {}
  for name, n in pairs(sums) do groups[#groups + 1] = { name, n } end
  return groups
end

function filter.matches(u, x, namespace, wanted)
  local route = routes.of(u, x[X.rid])
  if route.ns ~= namespace then return false end
  if wanted[LANE] ~= '' and route.lane ~= wanted[LANE] then return false end
  if wanted[KIND] ~= '' and route.kind ~= wanted[KIND] then return false end
  if wanted[STATES] ~= '' and not string.find(wanted[STATES], state.public(x), 1, true) then return false end
  if wanted[FLOW] ~= '' and x[X.flow] ~= wanted[FLOW] then return false end
  if not filter.ended_within(x[X.ended], wanted[ENDED_FROM], wanted[ENDED_BEFORE]) then return false end
  if wanted[BUDGET] ~= '' and not names(x, wanted[BUDGET]) then return false end
  return has_tags(x, wanted[TAGS])
end
