/**
 * Afterhello for Google Forms: sends each response of this form, signed as https://www.standardwebhooks.com says.
 *
 * Paste it into the form's own script (More > Apps Script), fill in the two lines below, save, and run setUp once.
 * What could not be sent is kept, and sent again every ten minutes until it is taken. deploy/forms/google-forms.md has
 * the steps; nothing of it is sent anywhere but to HOOK.
 */
const HOOK = 'https://hello.school.example/hooks/...';
const SECRET = 'whsec_...';

const WAITING = 'waiting ';
const AT_ONCE = 50;
const GIVE_UP_AFTER_DAYS = 14;

/** Run this once: it asks for the permissions it needs and sets both triggers. Running it again does no harm. */
function setUp() {
  if (!/^https?:\/\/\S+\/hooks\/[\w-]{16,}$/.test(HOOK) || !/^whsec_[\w+\/=-]{20,}$/.test(SECRET)) {
    throw new Error('Fill in HOOK and SECRET at the top first: `afterhello source add google-forms NAME` prints both.');
  }
  ScriptApp.getProjectTriggers()
    .filter((trigger) => ['onResponse', 'sendWaiting'].includes(trigger.getHandlerFunction()))
    .forEach((trigger) => ScriptApp.deleteTrigger(trigger));
  ScriptApp.newTrigger('onResponse').forForm(FormApp.getActiveForm()).onFormSubmit().create();
  ScriptApp.newTrigger('sendWaiting').timeBased().everyMinutes(10).create();
}

/** The form trigger: keeps the response, then sends it. Whatever happens in between, it is not lost. */
function onResponse(event) {
  const body = JSON.stringify(bodyOf(event.response, event.source || FormApp.getActiveForm()));
  const key = WAITING + event.response.getId();
  try {
    keep(key, body);
  } catch (error) {
    // The store is full after a long outage. What cannot be kept can still be sent.
    console.error('not kept: %s: %s', key, error);
  }
  send(key, body);
}

/** The timed trigger: sends again what was not taken. */
function sendWaiting() {
  const lock = LockService.getScriptLock();
  if (!lock.tryLock(1000)) return;
  try {
    const kept = PropertiesService.getScriptProperties().getProperties();
    Object.keys(kept).filter((key) => key.startsWith(WAITING)).slice(0, AT_ONCE)
      .forEach((key) => send(key, bodyKept(key, kept[key])));
  } finally {
    lock.releaseLock();
  }
}

/** Run this to see in the execution log how much is waiting. */
function countWaiting() {
  const kept = PropertiesService.getScriptProperties().getKeys().filter((key) => key.startsWith(WAITING));
  console.log('%s waiting', kept.length);
  return kept.length;
}

function bodyOf(response, form) {
  const answers = {};
  response.getItemResponses().forEach((item) => {
    const title = item.getItem().getTitle();
    // Two questions may have one title: the second one gets a number, as people would count.
    let name = title;
    for (let n = 2; name in answers; n += 1) name = title + ' (' + n + ')';
    answers[name] = item.getResponse();
  });
  return {
    responseId: response.getId(),
    submittedAt: response.getTimestamp().toISOString(),
    formTitle: form.getTitle(),
    respondentEmail: response.getRespondentEmail() || '',
    answers: answers,
  };
}

/** A property holds 9 kB; a longer response is fetched from the form again when it has to be sent again. */
function keep(key, body) {
  const since = new Date().toISOString();
  const small = Utilities.newBlob(body).getBytes().length < 8000;
  const entry = JSON.stringify(small ? { since: since, body: body } : { since: since });
  PropertiesService.getScriptProperties().setProperty(key, entry);
}

function bodyKept(key, entry) {
  const kept = JSON.parse(entry);
  if (new Date() - new Date(kept.since) > GIVE_UP_AFTER_DAYS * 24 * 60 * 60 * 1000) return null;
  if (kept.body) return kept.body;
  const form = FormApp.getActiveForm();
  const response = form.getResponse(key.slice(WAITING.length));
  return response ? JSON.stringify(bodyOf(response, form)) : null;
}

/** Sends one response; the message's id is the response's, so that a repeat is one meeting. */
function send(key, body) {
  const properties = PropertiesService.getScriptProperties();
  if (body === null) {
    console.error('given up: %s', key);
    properties.deleteProperty(key);
    return;
  }
  let status = 0;
  try {
    status = UrlFetchApp.fetch(HOOK, {
      method: 'post',
      contentType: 'application/json',
      payload: Utilities.newBlob(body).getBytes(),
      headers: signed(key.slice(WAITING.length), body),
      muteHttpExceptions: true,
      followRedirects: false,
    }).getResponseCode();
  } catch (error) {
    console.warn('not reached: %s', error);
  }
  if (status >= 200 && status < 300) {
    properties.deleteProperty(key);
  } else if (status === 400 || status === 413 || status === 415 || status === 422) {
    // It was kept there with its reason (`afterhello source show NAME`); the same again would be refused again.
    console.error('refused with %s: %s', status, key);
    properties.deleteProperty(key);
  } else {
    console.warn('answered %s, to be sent again: %s', status, key);
  }
}

function signed(id, body) {
  const seconds = String(Math.floor(Date.now() / 1000));
  const encoded = SECRET.replace(/^whsec_/, '').replace(/=+$/, '');
  const key = Utilities.base64Decode(encoded + '='.repeat((4 - (encoded.length % 4)) % 4));
  const content = Utilities.newBlob(id + '.' + seconds + '.' + body).getBytes();
  const signature = Utilities.base64Encode(Utilities.computeHmacSha256Signature(content, key));
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': 'v1,' + signature };
}
