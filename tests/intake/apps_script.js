// As much of Apps Script as deploy/google-forms.gs uses, over a form with one response. Reads {script, hook, secret,
// response, statuses, full} from standard input; writes what was fetched, what waits, and the triggers that were set.
const crypto = require('crypto');
const vm = require('vm');

const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const properties = {};
const fetched = [];
const triggers = [];
const signed = (bytes) => Array.from(new Int8Array(bytes));
const unsigned = (bytes) => Buffer.from(Int8Array.from(bytes).buffer);
const item = ([title, answer]) => ({ getItem: () => ({ getTitle: () => title }), getResponse: () => answer });
const response = {
  getId: () => given.response.id,
  getTimestamp: () => new Date(given.response.at),
  getRespondentEmail: () => given.response.email,
  getItemResponses: () => given.response.answers.map(item),
};
const form = { getTitle: () => 'Who did you meet?', getResponse: (id) => (id === given.response.id ? response : null) };
const trigger = (handler) => {
  const self = { getHandlerFunction: () => handler, create: () => triggers.push(self) };
  ['forForm', 'onFormSubmit', 'timeBased', 'everyMinutes'].forEach((name) => (self[name] = () => self));
  return self;
};
const context = vm.createContext({
  console: { log() {}, warn() {}, error() {} },
  FormApp: { getActiveForm: () => form },
  ScriptApp: {
    newTrigger: trigger,
    getProjectTriggers: () => [...triggers],
    deleteTrigger: (one) => triggers.splice(triggers.indexOf(one), 1),
  },
  LockService: { getScriptLock: () => ({ tryLock: () => true, releaseLock() {} }) },
  PropertiesService: {
    getScriptProperties: () => ({
      setProperty: (name, value) => {
        if (given.full) throw new Error('You have exceeded the property storage quota');
        if (Buffer.byteLength(value) > 9 * 1024) throw new Error('Argument too large: value');
        properties[name] = value;
      },
      deleteProperty: (name) => delete properties[name],
      getProperties: () => ({ ...properties }),
      getKeys: () => Object.keys(properties),
    }),
  },
  Utilities: {
    newBlob: (text) => ({ getBytes: () => signed(Buffer.from(text, 'utf8')) }),
    base64Decode: (text) => signed(Buffer.from(text, 'base64')),
    base64Encode: (bytes) => unsigned(bytes).toString('base64'),
    computeHmacSha256Signature: (value, key) =>
      signed(crypto.createHmac('sha256', unsigned(key)).update(unsigned(value)).digest()),
  },
  UrlFetchApp: {
    fetch: (url, options) => {
      const status = given.statuses[Math.min(fetched.length, given.statuses.length - 1)];
      fetched.push({ url, headers: options.headers, body: unsigned(options.payload).toString('utf8') });
      if (status === 0 || !options.muteHttpExceptions) throw new Error('Address unavailable');
      return { getResponseCode: () => status };
    },
  },
});
const script = given.script.replace(/const HOOK = .*/, `const HOOK = '${given.hook}';`);
vm.runInContext(script.replace(/const SECRET = .*/, `const SECRET = '${given.secret}';`), context);
context.setUp();
context.setUp();
context.onResponse({ response, source: form });
given.statuses.slice(1).forEach(() => context.sendWaiting());
const handlers = triggers.map((one) => one.getHandlerFunction());
process.stdout.write(JSON.stringify({ fetched, waiting: Object.keys(properties), handlers }));
