-- What the upstreams of a node handed down, by the names of their edges, as the step that decided its group saw them: the same
-- for every attempt.

-- Names are put in order by their bytes. Lua compares as the server's locale does, which mostly is the same.
local COMPARES_BYTES = 'B' < 'a' and 'a-c' < 'ab'

local function is_before(one, other)
  if COMPARES_BYTES then return one[1] < other[1] end
  local a, b = one[1], other[1]
  for place = 1, math.min(#a, #b) do
    local x, y = string.byte(a, place), string.byte(b, place)
    if x ~= y then return x < y end
  end
  return #a < #b
end

-- In the order of the names, of each [name, upstream, letter of its public state, whether its edge was satisfied]. Empty before
-- the group has decided.
function upstreams.of(u, id)
  local list, g = {}, groups.get(u, id)
  if not g or g[G.named] ~= 1 then return list end
  local seen = g[G.seen]
  for place, edge in ipairs(groups.ins(u, id)) do
    local letter = string.sub(seen, 2 * place - 1, 2 * place - 1)
    if edge[2] ~= '' and letter ~= '' then
      list[#list + 1] = { edge[2], edge[1], letter, string.sub(seen, 2 * place, 2 * place) == '1' }
    end
  end
  table.sort(list, is_before)
  return list
end

-- How long the result of one is, in bytes, without reading a long one.
function upstreams.size(u, each)
  if not each[4] then return 0 end
  local x = record.require(u, each[2])
  if x[X.result] ~= 2 then return x[X.result_len] end
  local known = record.payload(u, x, 'result')
  return known == true and redis.call('STRLEN', record.payload_key(u, each[2], 'result')) or #known
end

-- The result of one, or false.
function upstreams.result(u, each)
  if not each[4] then return false end
  local payload = record.payload(u, record.require(u, each[2]), 'result')
  if payload ~= true then return payload end
  local key = record.payload_key(u, each[2], 'result')
  return redis.call('GET', key) or call.refuse('corruption', key)
end
