--- Charges what was spent, each once within a day. Answers of each [word, breach, used]: ok, duplicate, not_found, unknown_dimension or
-- too_much with the dimension, and what it would come to; and what follows elsewhere.
-- @flags allow-oom
-- @brings record
-- @args items: [budget: string, namespace: string, execution: string, lease: string, key: string, amounts: unknown[]][], sumMax: number
-- @reply [answers: unknown[][], announcements: string[]]
-- @errors corruption schema_mismatch invalid_arguments
local function unknown_dimension(b, list)
  for place = 1, #list, 2 do
    local is_known = false
    for _, limit in ipairs(b.row[B.limits]) do is_known = is_known or limit[1] == list[place] end
    if not is_known then return list[place] end
  end
  return nil
end

local function report(u, item, sum_max, said)
  local b = budgets.get(u, item[1], item[2])
  if not b then return { 'not_found' } end
  local unknown = unknown_dimension(b, item[6])
  if unknown then return { 'unknown_dimension', unknown } end
  local field = item[3] .. '|' .. item[5]
  if budgets.is_known(u, b, field) then return { 'duplicate' } end
  local amounts = budgets.amounts(item[6])
  local past, actual = budgets.overflow(b, amounts, sum_max)
  if past then return { 'too_much', past, actual } end
  local text = budgets.charge(u, b, item[3], item[4], field, amounts)
  if text ~= '' then said[#said + 1] = text end
  return { 'ok', room.breach(b.row[B.limits], b.used), budgets.list(b.used) }
end

return function(u, a)
  local answers, said = {}, {}
  for place, item in ipairs(a[1]) do answers[place] = report(u, item, a[2], said) end
  resources.flush(u)
  return { answers, said }
end
