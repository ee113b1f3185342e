--- What was found out about holders: those that run hold what they took, what others took is given back. Answers which were given back.
-- @flags allow-oom
-- @brings nothing
-- @args items: [name: string, holder: string, runs: boolean][]
-- @reply boolean[]
-- @errors corruption schema_mismatch
return function(u, a)
  local told = {}
  for place, item in ipairs(a[1]) do
    local kind, id, key = resources.read_name(item[1])
    if item[3] then
      resources.confirm(u, item[1], item[2])
      told[place] = false
    else
      flush.staged(u).cut(u.key.idx .. 'tentative', item[1] .. '\0' .. item[2])
      if kind == 'q' then told[place] = quotas.give_back(u, id, key, item[2], false)
      else told[place] = budgets.give_back(u, id, item[2]) end
    end
  end
  resources.flush(u)
  return told
end
