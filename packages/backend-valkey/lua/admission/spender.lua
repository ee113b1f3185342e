--- The namespaces of attempts that spent something, whatever became of them; '' where there is none such.
-- @flags no-writes
-- @args items: [execution: string, attempt: int, lease: string, epoch: int][]
-- @reply string[]
-- @errors corruption schema_mismatch
return function(u, a)
  local ids, answers = {}, {}
  for place, item in ipairs(a[1]) do ids[place] = item[1] end
  record.load(u, ids)
  for place, item in ipairs(a[1]) do
    local x = u.records[item[1]]
    answers[place] = x and item[2] < x[X.attempts] and routes.of(u, x[X.rid]).ns or ''
  end
  return answers
end
