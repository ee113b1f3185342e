-- Whether quotas and budgets have room: the same as core's `decisions/room`, which a test holds it to. Steps of a window are
-- [time, units, time, units, …] in their order.

local STEPS = 1000

local function length_of(window)
  return math.ceil(window / STEPS)
end

function room.step_of(at, window)
  local length = length_of(window)
  return math.floor(at / length) * length
end

local function ends_at(step, window)
  return step + length_of(window) - 1 + window
end

-- The last step whose units count no more.
function room.last_over(window, now)
  return now - window - length_of(window) + 1
end

-- Those that are later.
function room.after(steps, floor)
  local left = {}
  for place = 1, #steps, 2 do
    if steps[place] > floor then
      left[#left + 1] = steps[place]
      left[#left + 1] = steps[place + 1]
    end
  end
  return left
end

-- Those that still count, and their units.
function room.live(steps, window, now)
  local live, sum = {}, 0
  for place = 1, #steps, 2 do
    if steps[place + 1] > 0 and ends_at(steps[place], window) > now then
      live[#live + 1] = steps[place]
      live[#live + 1] = steps[place + 1]
      sum = sum + steps[place + 1]
    end
  end
  return live, sum
end

-- When so many units have room; 0 where they have it now, or never will.
function room.retry_at(units, window, steps, cost, now)
  if units == 0 or cost > units then return 0 end
  local live, used = room.live(steps, window, now)
  if used + cost <= units then return 0 end
  for place = 1, #live, 2 do
    used = used - live[place + 1]
    if used + cost <= units then return ends_at(live[place], window) end
  end
  return 0
end

-- What a quota lacks: `c` slots, `r` units; or false.
function room.of_quota(settings, held, used, cost, begins)
  if settings[Q.concurrency] ~= 0 and held >= settings[Q.concurrency] then return 'c' end
  if begins and settings[Q.units] ~= 0 and used + cost > settings[Q.units] then return 'r' end
  return false
end

-- The first dimension of a budget, in the order of names, that has no room; or false. Limits are [name, soft, hard] in that order,
-- -1 stands for none.
function room.of_budget(limits, used, reserved, asked)
  for _, limit in ipairs(limits) do
    local name, hard = limit[1], limit[3]
    if hard >= 0 then
      local spent = used[name] or 0
      if spent >= hard or spent + (reserved[name] or 0) + (asked[name] or 0) > hard then return name end
    end
  end
  return false
end

-- How far what is spent has passed the limits: 0 not, 1 a soft one, 2 a hard one.
function room.breach(limits, used)
  local level = 0
  for _, limit in ipairs(limits) do
    local spent = used[limit[1]] or 0
    if limit[3] >= 0 and spent > limit[3] then return 2 end
    if limit[2] >= 0 and spent > limit[2] then level = 1 end
  end
  return level
end
