--- Of each whether the execution runs under that lease. Where it does not, it cannot begin to: an offer that would lease it so is
-- withdrawn.
-- @flags allow-oom
-- @brings nothing
-- @args items: [execution: string, lease: string][]
-- @reply boolean[]
-- @errors corruption schema_mismatch
return function(u, a)
  local ids, answers = {}, {}
  for place, item in ipairs(a[1]) do ids[place] = item[1] end
  record.load(u, ids)
  for place, item in ipairs(a[1]) do
    local x = u.records[item[1]]
    answers[place] = demands.is_live(x, item[2]) == true
    if x and not answers[place] and x[X.demands] and x[X.demands][D.line] ~= '' then
      lines.withdraw(u, x[X.demands][D.line], string.sub(item[2], 1, 24))
    end
  end
  flush.run(u)
  return answers
end
