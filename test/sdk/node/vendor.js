// Carries out one call of the vendor's Node SDK for each line "STEP ARGUMENT..." on stdin, and answers with a line
// "RESULT" and JSON: what the SDK made of the answer.
//
// Nothing here helps the SDK along: objects are filled as its documentation shows.
'use strict';

const readline = require('readline');
const [key, secret, primary, backup] = process.argv.slice(2);

// The SDK computes nonce, timestamp and signature here, once for the life of the process.
const rong = require('rongcloud-sdk')({ appkey: key, secret: secret, api: [primary, backup] });
const { Tag } = rong.User;
const { Push } = rong;
const { System } = rong.Message;

const alert = { alert: 'hello' };
const both = ['ios', 'android'];
const text = { content: 'hello & good bye = 1+1', extra: '' };

const steps = {
  'tag.set': () => Tag.set({ id: 'u-1', tags: ['vip', '北京'] }),
  'tag.clear': () => Tag.remove({ id: 'u-1' }),
  'tag.batch': () => Tag.batchSet({ users: [{ id: 'u-1' }, { id: 'u-2' }, { id: 'u+3=x' }], tags: ['vip'] }),
  'tag.get': () => Tag.getList([{ id: 'u-1' }, { id: 'u+3=x' }, { id: 'nobody' }]),
  'push.tags': () => Push.push({
    platform: both,
    audience: { tag: ['vip', '北京'], tag_or: ['x', 'y'], packageName: 'cn.example.app', is_to_all: false },
    notification: alert,
  }),
  'push.users': () => Push.push({ platform: both, audience: { userid: ['u-1', 'u-2'], tag: ['vip'], is_to_all: false }, notification: alert }),
  'push.all': () => Push.push({ platform: ['ios'], audience: { is_to_all: true, tag: ['vip'] }, notification: alert }),
  // As its documentation types the field: "is_to_all | String".
  'push.string': () => Push.push({ platform: both, audience: { tag: ['vip'], is_to_all: 'false' }, notification: alert }),
  'push.string.all': () => Push.push({ platform: both, audience: { tag: ['vip'], is_to_all: 'true' }, notification: alert }),
  // As its documentation names them: "iOS, Android".
  'push.prose': () => Push.push({ platform: ['iOS', 'Android'], audience: { tag: ['vip'], is_to_all: false }, notification: alert }),
  'push.message': () => Push.message({
    platform: both,
    fromUserId: 'sys-1',
    audience: { tag_or: ['vip', 'x'], is_to_all: false },
    message: { objectName: 'RC:TxtMsg', content: JSON.stringify(text) },
    notification: alert,
  }),
  'system.send': () => System.send({
    senderId: 'sys-1', targetId: ['u-1', 'u+3=x'], objectName: 'RC:TxtMsg', content: text, pushContent: 'pushed', pushData: '{"k":"v"}', isPersisted: 1,
  }),
  'system.template': () => System.sendTemplate({
    senderId: 'sys-1',
    objectName: 'RC:TxtMsg',
    template: { content: '{name}: {score}', extra: '' },
    content: {
      'u-1': { data: { '{name}': 'Tom', '{score}': '2' }, push: 'hello {name}', pushData: '' },
      'u-2': { data: { '{name}': 'Jerry', '{score}': '5' }, push: 'hello {name}', pushData: '' },
    },
  }),
  'broadcast': () => System.broadcast({ senderId: 'sys-1', objectName: 'RC:TxtMsg', content: text }),
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [step] = line.split(' ');
    let out;
    try {
      if (!steps[step]) throw new Error('no step ' + step);
      const got = await steps[step]();
      const message = got.msg || got.errorMessage; // text of the vendor, or what broke the connection
      out = { code: Number(got.code), message: typeof message === 'object' ? JSON.stringify(message) : message, id: got.id, tags: got.tags };
    } catch (e) { // the SDK rejects with an object of its own where it refuses a call before sending it
      out = { thrown: e instanceof Error ? String(e) : JSON.stringify(e) };
    }
    console.log('RESULT ' + JSON.stringify(out));
  }
}

main();
